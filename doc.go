// Package thothfs is the root of a program, not a library: a corpus of core and
// crash dumps in an object store, mounted as a file system.
//
// The packages stand at the top level because nobody imports a program and `ls`
// shows the house. README.md walks one read(2) through them; docs/decisions.md
// says why they are as they are; scripts/importlint holds the direction of imports:
//
//	cmd/thothfs   verbs and flags; builds one stack of stores, mounts it, waits;
//	              below it: output prints dumps, debugger finds and runs debuggers
//	              and reads stacks, analyze runs analyzers, export writes
//	              files for other tools
//	fs            the tree of directories, links and files; knows no protocol
//	  fusefs      serves the tree to the kernel by FUSE
//	  treetest    conformance suite for the tree and everything that serves it
//	corpus        the dumps of one store: sync, edits
//	  catalog     is the local copy of all documents, in SQL
//	  changelog   tells other clients which documents have changed
//	  ingest      stores dumps, and files beside them
//	  history     keeps what edits replaced, for undo
//	cache         local blocks of pinned object versions
//	  blockfile   has the files and the locks between processes
//	  cachedir    checks the cache directory
//	  hotpack     is the format of hot packs
//	dump          what a dump is: formats, Thoth's hash; dump/document edits info.json
//	query         dump specifications
//	store         the contract with an object store, its implementations, and their registry
//	internal      file locks, whole-file writers and the like, which several of these use
//	signature     names the way a process died, from its stack
//	scripts       what analyzers find when they begin, and analyzers, carried by the binary
package thothfs
