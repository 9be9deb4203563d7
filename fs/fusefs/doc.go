// Package fusefs serves the tree of package fs to the kernel through FUSE. It is the only user of
// go-fuse, and the only place where errors are converted to errnos (errno.go).
//
// A single type, node, represents every inode and calls the fs.Node behind it. Open files are
// fileHandles, open directories dirHandles. Objects are read through the kernel's page cache or
// directly by the kernel (passthrough.go); all other files bypass the page cache. Each call runs
// under a request (request.go), a context with a deadline that is cancelled shortly after the
// caller receives a signal.
//
// The kernel is notified of changes to attributes and listings (invalidate.go), but never to names:
// that would wait for the lock of the directory, which a caller may hold while it waits for this
// process. docs/decisions.md lists the locks call by call.
//
// The kernel does not check permissions (no default_permissions), because setxattr(2) on a file of
// mode 0444 must reach this package. Operations that the tree does not support return EROFS.
//
// A Server's goroutines are the serving loop, one that limits the number of inodes (nodelimit.go),
// and those of its tree. All end at unmount. mountpoint.go, silent.go and busy.go handle
// mounts whose process is dead or unresponsive.
package fusefs
