// Package blockfile stores blocks of object versions in local files that several processes
// share.
//
// A version consists of two files, DIR/NAMESPACE/xx/ID.data and ID.map, where ID is the SHA-256
// of key, ETag and block size. The data file is sparse and as long as the object; once
// complete, it is identical to the object. The block map contains a record for each block:
// absent, present with a checksum for each 4 KiB page, partial with some of the pages, or all
// zeros, which takes no space. Data is written before its record. Neither is flushed before the
// version is complete.
//
// Every read from disk is verified. That costs about as much as reading from the page cache. In
// return, correctness depends on nothing else: not on the order of writes before a power
// failure, not on other processes, not on where the files come from. A block that fails
// verification counts as absent.
//
// # Locks between processes
//
// A process holds a shared flock on each block map that it has open. To create or unlink the
// files of a version, it must hold that lock exclusively. A shared lock on the data file pins
// the version, so that it is not evicted. An evictor also holds DIR/evict.lock. A killed
// process leaves nothing to repair.
//
// # Locks within a process
//
// Pool.mu is a leaf and is not held during I/O.
package blockfile
