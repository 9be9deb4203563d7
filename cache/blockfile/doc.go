// Package blockfile stores blocks of object versions in local files that several processes
// share.
//
// A version is two files, DIR/NAMESPACE/xx/ID.data and ID.map, where ID is the SHA-256 of
// key, ETag and block size. The data file is sparse and as long as the object; a complete
// one is the object itself. The block map has a record for each block: absent, present with a
// checksum for each 4 KiB, partial with some of its 4 KiB pages, or all zeros, which takes
// no space. Data is written before its record. Neither is flushed before the version is
// complete.
//
// Every read from disk is verified. That costs about as much as reading from the page
// cache. In return correctness depends on nothing else: not on the order of writes before a
// power cut, not on other processes, not on where the files come from. A block that does
// not verify is absent.
//
// # Locks between processes
//
// A process holds a shared flock on each block map that it has open. To create or unlink
// the files of a version it must hold that lock exclusively. A shared lock on the data file
// pins the version: it is not evicted. An evictor also holds DIR/evict.lock. A killed
// process leaves nothing to repair.
//
// # Locks within a process
//
// Pool.mu is a leaf and is not held during I/O.
package blockfile
