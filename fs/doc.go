// Package fs presents the corpus as a tree of directories, links and files. It is independent of
// any protocol; package fusefs serves the tree to the kernel.
//
// # The tree
//
//	by-hash/HASH/         one dump; its only real directory
//	    info.json         the document, ending in a newline
//	    OBJECT            every object in the dump's directory in the store
//	    core|vmcore|vmdump, dump   links to the dump itself
//	    stack             one frame per line; absent if the document has none
//	    dmesg             the kernel's log, read from the dump of a Linux kernel
//	    properties/NAME   a custom property: its text and a newline. A string is
//	                      shown as it is, everything else (even an object) as JSON
//	by-node/NODE/HASH     links to ../../by-hash/HASH; likewise by-cmd, by-ticket,
//	                      by-type, by-platform, by-signal, by-exe,
//	                      by-signature (properties.signature)
//	by-time/YYYY/MM/DD/HASH
//	query/SPEC/HASH       any specification; query itself lists nothing
//	analyzers/NAME
//	.thothfs/             state of the mount: stats, slow, config, pid
//
// The contents of directories come from the catalogue (package corpus). The bytes of files come
// from the block cache (package cache) or, when the store is a local directory, from the local
// file.
//
// # Nodes
//
// Given a name, a Dir returns an Entry: the Node, its attributes, and how long a client may cache
// the name (nametimeout.go). Nodes hold only what identifies them, so a million dumps cost nothing
// until a client looks at them. A FileID (fileid.go) identifies a node. Inode numbers are derived
// from it, and Tree.Node finds the node for an encoded FileID even after a restart.
//
// A Listing is the contents of a directory at one moment, shared by all handles on the directory
// (listcache.go). The listing of by-hash can be read while it is still being filled from the
// catalogue (streamlist.go).
//
// A file is one version of one object (objectfile.go). When the object is replaced, its name leads
// to a new node with the same inode number; an open handle keeps reading the old version or gets
// ErrGone, but never returns a mixture. Files generated from the document or the dump
// (generatedfile.go), properties and analyzers differ: there a handle is one version, and the node
// stands for the name.
//
// # Writing
//
// The information about a dump can be written; the dump itself cannot:
//
//	setxattr, removexattr     of user.thoth.ticket and user.thoth.properties.PATH, on
//	                          the dump's directory and everything in it
//	properties/NAME           create, write, truncate, rename, remove
//	by-ticket/TICKET          mkdir and rmdir, while no dump has it; mv to one that no
//	                          dump has
//	by-ticket/TICKET/HASH     ln -s, mv between tickets, rm
//	analyzers/NAME            like properties/NAME
//
// Values are stored by the rule of Thoth's set (document.Set): JSON as what it is, everything else
// as a string. A property file contains the value and a newline; the newline is not part of the
// value. A name with a dot that is not itself a property is a path, such as
// properties/triage.engineer. A rename moves a value unchanged.
//
// Changes of attributes and names are stored, and the views invalidated accordingly, when the call
// returns. A file is stored as a whole, at most 16 MiB, by WriteHandle.Commit, which is also where
// errors are reported. Errors that can be predicted at open (Corpus.CanStore) are reported then,
// because shells ignore the result of close(2). Contents whose commit failed are not stored later.
// If two clients write the same property, the last commit wins; edits of different properties never
// overwrite each other (corpus.Corpus.Edit). All handles on one name share one buffer
// (writebuffer.go); the buffer of a file that was removed or replaced is never stored.
//
// Files with names that editors use beside the file they save (isEditorName) are kept in memory by
// this tree only, until they are renamed to a regular name or removed, or the dump or the tree goes
// away. A file that is renamed to such a name is hidden, but stays stored until it has been
// replaced or the temporary file is removed, so nothing is lost if the editor dies. An empty
// directory in by-ticket, whether created or emptied here, exists in this tree only, until it is
// used or removed or the tree is closed.
//
// # Permissions
//
// Directories are 0755, files 0444, properties 0644, analyzers 0755, all owned by the user who runs
// the tree. Only that user and root may write, since the store sees every write as the owner's.
//
// # Errors
//
// The tree returns the kinds of errors in errors.go and those of the packages below; a front end
// maps them to its protocol.
//
// # Concurrency
//
// Everything is safe for concurrent use. [Tree.Close] ends the tree's goroutines: one for each list
// of all dumps that is being read, and one for each large document that is being examined. The
// locks of this package guard maps and buffers and are never held across a call to another layer.
// The exception is a mutex per directory (writeBuffers.storing), held while a file is committed,
// renamed or removed; waiting for it can be cancelled by the context.
package fs
