// Package gen makes corpora of any size to measure on: directories in Thoth's layout,
// as store/dir keeps them and as mantatest serves them from /ACCOUNT/stor/thoth.
//
// Dump number i of a seed is always the same dump, whatever the size of the corpus and
// however many make it: a corpus that was interrupted is completed, and one of 100,000
// is the beginning of one of a million.
//
// Every dump is one by all that Thoth looks at. Its directory is the hash of the file
// in it, which is the headers and notes of a Linux core, or the header of an illumos
// crash dump, with holes instead of memory. A debugger finds threads and registers in
// it, but no stack to unwind: the stack in info.json is invented.
//
// What the dumps are of is distributed as in a corpus that grew over years: a few
// programs crash most of the time, most crashes are of a few bugs each, about half are
// known by a ticket, and later years have more of them.
//
// It writes files as they are, not through store/dir, which makes each one durable:
// that would take an hour for a million. What is there after a crash of the machine may
// have to be removed and made again.
package gen
