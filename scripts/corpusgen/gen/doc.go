// Package gen makes corpora of any size for benchmarks: directories in Thoth's layout, as
// store/dir stores them and mantatest serves them from /ACCOUNT/stor/thoth.
//
// Dump number i of a seed is always the same dump, whatever the size of the corpus and the
// number of workers. So an interrupted corpus can be completed, and one of 100,000 dumps is
// the beginning of one of a million.
//
// Every dump looks real to Thoth. Its directory is the hash of the file in it, which has the
// headers and notes of a Linux core, or the header of an illumos crash dump, with holes
// instead of memory. A debugger finds threads and registers in it, but no stack to unwind; the
// stack in info.json is invented.
//
// Programs and bugs are distributed as in a corpus that grew over years: a few programs crash
// most of the time, most crashes are of a few bugs each, about half have a ticket, and later
// years have more dumps.
//
// Files are written directly and not through store/dir, which syncs each one: that would take
// an hour for a million. After a crash of the machine, a corpus may have to be removed and
// made again.
package gen
