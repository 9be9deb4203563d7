// Package fs is the corpus as a tree of directories, links and files. It knows no
// protocol: package fusefs serves the tree to the kernel.
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
//	                      by-type, by-platform, by-signature (properties.signature)
//	by-time/YYYY/MM/DD/HASH
//	query/SPEC/HASH       any specification; query itself lists nothing
//	analyzers/NAME
//	.thothfs/             how the mount does: stats, config, pid
//
// A directory's contents come from the catalogue (package corpus), a file's bytes
// from the block cache (package cache) or, when the store is a local directory,
// from the local file.
//
// # Nodes
//
// A Dir returns an Entry for a name: the Node under it, its attributes, and how long a
// client may keep the name (nametimeout.go). Nodes hold what identifies them and nothing
// else: a million dumps cost nothing until a client looks at them. A FileID (fileid.go)
// says which node a node is; inode numbers derive from it, and Tree.Node finds the node
// of an encoded FileID again after a restart.
//
// A Listing is what a directory holds at one moment. All handles on the directory share
// it (listcache.go). That of by-hash can be read while it is still being filled from the
// catalogue (streamlist.go).
//
// A file is one version of one object (objectfile.go). When the object is replaced, its
// name leads to another node with the same inode number; an open handle keeps reading the
// old version, or gets ErrGone, and never a mixture. Files whose text is made from the
// document (generatedfile.go), properties and analyzers are different: there a handle is
// one version, and the node a name.
//
// # Writing
//
// What people know of a dump can be written, the dump itself never:
//
//	setxattr, removexattr     of user.thoth.ticket and user.thoth.properties.PATH, on
//	                          the dump's directory and everything in it
//	properties/NAME           create, write, truncate, rename, remove
//	by-ticket/TICKET          mkdir and rmdir, while no dump has it; mv to one that no
//	                          dump has
//	by-ticket/TICKET/HASH     ln -s, mv between tickets, rm
//	analyzers/NAME            as properties
//
// A value is stored by the rule of Thoth's set (document.Set): JSON as what it is, all
// else as a string. A file of properties is a value and a newline; the newline is not
// part of the value. A name with a dot that is no property itself is a path:
// properties/triage.engineer. A rename moves a value unchanged.
//
// Attributes and names are stored when the call returns, and clients know what the call
// did to the views. A file is stored as a whole, at most 16 MiB, by WriteHandle.Commit,
// which is where errors come, except those that are known when it is opened
// (Corpus.CanStore): shells ignore the outcome of close(2). Contents whose commit failed
// are not stored later. Of two clients that write the same property the last commit
// counts; edits of different properties never lose each other (corpus.Corpus.Edit). All
// handles on one name share one buffer (writebuffer.go); the buffer of a file that was
// removed or replaced is stored nowhere.
//
// Files with the names that editors use beside the file they save (isEditorName) are
// kept in memory by this tree alone, until they are renamed to another kind of name or
// removed, or the dump or the tree goes. A file that is renamed to such a name is hidden,
// and stays stored until another has taken its place or the temporary one is removed: an
// editor that dies loses nothing. A directory of by-ticket without dumps that was created
// or emptied here exists in this tree until it is used or removed, or the tree goes.
//
// # Permissions
//
// Directories are 0755, files 0444, properties 0644, analyzers 0755, all owned by the user
// who runs the tree. Only that user and root may write: the store knows every writer as
// the owner.
//
// # Errors
//
// The errors of the tree are kinds (errors.go), besides those of the packages below; a
// front end maps them to its protocol.
//
// # Concurrency
//
// Everything is safe for concurrent use. The goroutines of a tree end with
// [Tree.Close]: one for each list of all dumps that is being read, and one for each large
// document that is examined. The locks of this package guard maps and buffers and are
// never held across a call to another layer. A commit, a rename and a removal of a file
// hold a mutex of its directory (writeBuffers.storing), for which a context can wait.
package fs
