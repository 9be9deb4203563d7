// Package mantatest is a Manta-compatible server over a directory of the local
// disk, for tests and benchmarks: the directory API as the real thing answers,
// with latency, bandwidth and faults to order.
//
// It serves accounts, directories, objects, conditions, ranges, listings,
// metadata and signed requests. It does not have jobs, snaplinks, multipart
// uploads, roles, tokens or presigned URLs. Where the real server is odd (ETags
// without quotes, inclusive markers, conditions that directories ignore, a
// mkdir that destroys an object), so is this one, for that is what a client
// must survive.
//
// # On disk
//
// The object /alice/stor/a/b is the file ROOT/alice/stor/a/b, so that a tree of
// plain files is served as it is. What a file cannot say (its ETag, MD5, headers
// and time as Manta knows them) is in ROOT/.manta, keyed by the file's path and
// tied to its inode, size and time: a file that somebody else replaces simply
// has a new version. Names that a file system cannot hold or that would mean
// something else ("..", 300 bytes) are kept under a hash. A plain file of more
// than 1 MiB has no Content-MD5, because telling it would mean reading the file.
//
// One process at a time owns ROOT for writing. Changes from outside are seen,
// if late, where they meet writes through the server in the same directory.
//
// # Concurrency
//
// A Server is safe for concurrent use, and starts no goroutine; Start starts
// net/http's, and the test's cleanup ends them.
package mantatest
