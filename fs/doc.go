// Package fs is the corpus as a file system: the tree of directories, links and
// files as FUSE nodes, and every error of the layers below as an errno.
//
// # The tree
//
//	by-hash/HASH/         one dump, the only real directory of it
//	    info.json         the document, ending in a newline
//	    OBJECT            every object of the dump's directory in the store
//	    core|vmcore|vmdump, dump   links to the dump itself
//	    stack             one frame a line; absent when the document has none
//	    properties/NAME   a custom property: its text and a newline. A string is
//	                      shown as it is, everything else (an object too) as JSON
//	by-node/NODE/HASH     links to ../../by-hash/HASH; likewise by-cmd, by-ticket,
//	                      by-type, by-platform
//	by-time/YYYY/MM/DD/HASH
//	query/SPEC/HASH       any specification; query itself lists nothing
//	analyzers/NAME
//	.thothfs/             how the mount does: stats, config, pid
//
// A directory's answers come from the catalogue (package corpus), a file's bytes
// from the block cache (package cache) or, when the store is a local directory,
// from the local file.
//
// # What a node is
//
// Nodes hold what identifies them and nothing else: a million dumps cost nothing
// until somebody looks at them. A directory handle reads from a snapshot that is
// shared by all handles on that directory (snapshot.go), so that listing makes no
// inode at all.
//
// A file is one version of one object. When the object is replaced, its name
// leads to another node with the same inode number; whoever has the old one open
// keeps reading the old version, or gets ESTALE, and never a mixture, since the
// two share no page in the kernel. Files whose text is made from the document
// (info.json, stack, properties) are read past the page cache instead.
//
// # Modes and writing
//
// Directories are 0755, files 0444, all owned by who mounted. The kernel is not
// asked to check permissions (no default_permissions): setxattr(2) on a file of
// mode 0444 has to reach us. Everything that writes answers EROFS.
//
// # Concurrency
//
// Everything is safe for concurrent use. Nodes start no goroutine, but for the
// one that watches a call which waits (call.go), and that one ends with the call.
// A Server owns two: the serving loop and the one that tells the kernel what has
// changed (notify.go); both end at unmount. The locks of this package guard maps
// and are never held across a call to anything else.
package fs
