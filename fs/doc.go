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
//	                      by-type, by-platform, by-signature (properties.signature)
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
// inode at all. That of by-hash is read while the catalogue still hands it over
// (dumplist.go).
//
// A file is one version of one object. When the object is replaced, its name
// leads to another node with the same inode number; whoever has the old one open
// keeps reading the old version, or gets ESTALE, and never a mixture, since the
// two share no page in the kernel. Files whose text is made from the document
// (info.json, stack, properties), and analyzers, are read past the page cache
// instead: there a handle is one version, and the node a name.
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
// properties/triage.engineer. A rename moves a value as it is.
//
// setxattr(2) and what is done to names return when the store has it and the kernel
// knows what that did to the views. A file is stored as a whole, at most 16 MiB, by
// close(2) or fsync(2), which is where errors come, except those that open(2) can know
// before (Corpus.CanStore), since shells ignore the outcome of close(2); closing it when nothing was
// written since it was created or emptied leaves that to the last close, because a
// shell closes what it redirects to once beforehand. What was reported as failed is
// not tried again behind the user's back. Between two who write the same property the
// last close counts; edits of different properties never lose each other
// (corpus.Corpus.Edit). All handles of a mount on one name write to the same draft
// (draft.go); one that is removed or replaced meanwhile is stored nowhere.
//
// Names that editors give to the files beside the one which they save (.x.swp, .#x,
// x~, #x#, 4913, sedXXXXXX; in properties also x.tmp, where x is a property and no
// object) are kept in memory by this mount alone, until they are renamed to something
// else or removed, or the dump or the mount goes. A file that is renamed to such a
// name is hidden, and stays in the store until another has taken its place, or the
// temporary one is removed: an editor that dies loses nothing. A directory of
// by-ticket in which no dump is, made or emptied here, lives in this mount until it is
// used, removed, or the mount goes.
//
// A property has no list of extended attributes, though they can be read and set on it
// by name: cp -a and mv of one property to another dump must not take all of them, and
// the ticket, along.
//
// # Permissions
//
// Directories are 0755, files 0444, properties 0644, analyzers 0755, all owned by who
// mounted. Only the owner of the mount and root may write, others EACCES: whoever
// wrote, the store would know him as the owner. The kernel is not asked to check
// permissions (no default_permissions): setxattr(2) on a file of mode 0444 has to
// reach us. Changing mode, owner or times of what can be written succeeds and does
// nothing, since cp -p and editors do it. Everything else that writes answers EROFS,
// and EPERM what a writable directory cannot hold.
//
// # Concurrency
//
// Everything is safe for concurrent use. Nodes start no goroutine, but for the
// one that watches a call which waits (call.go), which ends with the call, and the
// one that takes the list of all dumps from the catalogue (dumplist.go), which ends with
// the list or at unmount (background.go), and the one that looks at a large document for an
// attribute (keptdocs.go), which ends when it has, and which unmounting waits for.
// A Server owns three: the serving loop, the one that tells the kernel what has
// changed (notify.go) and the one that has it forget (prune.go); all end at unmount. The locks of this package guard maps
// and drafts, and are never held across a call to anything else. Who stores or removes
// a draft holds its token (draft.take), which can be waited for as for the store.
//
// The kernel is told that attributes and listings have changed (notify.go), which waits
// for nobody; that a name has changed it is never told, since that would wait for the lock
// of the directory, which a caller may hold who waits for us. How long it may believe in a
// name is in names.go. A call that edits tells what it did to the views before it returns
// (tree.edit).
package fs
