// Package thothfs documents a program, not a library. The program mounts a corpus of core and
// crash dumps in an object store as a file system.
//
// The packages are at the top level because nobody imports a program, and so that `ls` shows
// its structure. README.md follows one read(2) through them; docs/decisions.md explains their
// design; scripts/importlint enforces the direction of imports:
//
//	cmd/thothfs   verbs and flags; builds one stack of stores, mounts it and waits;
//	              of its subpackages, output prints dumps, debugger finds and runs
//	              debuggers and reads stacks, analyze runs analyzers, and export
//	              writes files for other tools
//	fs            the tree of directories, links and files, for any protocol
//	  fusefs      serves the tree to the kernel through FUSE
//	  treetest    conformance tests for the tree and everything that serves it
//	corpus        the dumps of one store: sync, edits
//	  catalog     the local copy of all documents, in SQL
//	  changelog   informs other clients about changed documents
//	  ingest      stores dumps and the files beside them
//	  history     keeps the values that edits replaced, for undo
//	cache         local blocks of object versions
//	  blockfile   the block files and their locks between processes
//	  cachedir    checks the cache directory
//	  hotpack     the format of hot packs
//	dump          dump formats and Thoth's hash; dump/document edits info.json
//	query         dump specifications
//	store         the contract with an object store, its implementations, and their registry
//	internal      file locks, atomic file writers and similar helpers shared by these
//	signature     names the way a process died, based on its stack
//	scripts       the shell functions for analyzers, and analyzers, embedded in the binary
package thothfs
