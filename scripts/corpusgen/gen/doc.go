// Package gen creates corpora of any size for benchmarks. They consist of directories in Thoth's
// layout, as stored by store/dir and served by mantatest from /ACCOUNT/stor/thoth.
//
// For a given seed, dump number i is always the same, regardless of the size of the corpus and
// the number of workers. So an interrupted corpus can be completed, and a corpus of 100,000 dumps
// is the first part of one of a million.
//
// Every dump looks real to Thoth. Its directory is named by the hash of the file in it, which has
// the headers and notes of a Linux core, or the header of an illumos crash dump, with holes
// instead of memory. A debugger finds threads and registers in it, but no stack to unwind; the
// stack in info.json is made up.
//
// Programs and bugs are distributed as in a corpus that grew over years: a few programs cause
// most crashes, most of a program's crashes are due to a few bugs, about half have a ticket, and
// later years have more dumps.
//
// Files are written directly and not through store/dir, which syncs each one and would take an
// hour for a million dumps. After a crash of the machine, a corpus may have to be removed and
// created again.
package gen
