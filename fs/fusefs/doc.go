// Package fusefs serves the tree of package fs to the kernel by FUSE. It is the only user
// of go-fuse, and the only place where an error becomes an errno (errno.go).
//
// One type, node, is every inode: it asks the fs.Node behind it. Open files are a
// fileHandle, open directories a dirHandle. Objects are given to the kernel's page cache,
// or to the kernel whole (passthrough.go); all other files are read past the page cache.
// A call runs under a request (request.go): a context with a deadline that ends a moment
// after a signal to the caller.
//
// The kernel is told that attributes and listings have changed (invalidate.go), never that
// a name has: that would wait for the lock of the directory, which a caller may hold while it
// waits for this process. docs/decisions.md has the locks call by call.
//
// The kernel does not check permissions (no default_permissions): setxattr(2) on a file of
// mode 0444 must arrive here. What the tree cannot do is EROFS.
//
// A Server has three goroutines: the serving loop, the one that limits the number of inodes
// (nodelimit.go), and those of its tree. All end at unmount. mountpoint.go, silent.go,
// busy.go and abort.go handle mounts whose process is dead or silent.
package fusefs
