// Package mantatest is a Manta-compatible server over a local directory, for tests and
// benchmarks. It serves the directory API like the real Manta, with configurable latency,
// bandwidth and faults.
//
// It supports accounts, directories, objects, conditions, ranges, listings, metadata and signed
// requests. It does not support jobs, snaplinks, multipart uploads, roles, tokens or presigned
// URLs. It copies the quirks of the real server, since a client must cope with them: ETags
// without quotes, inclusive markers, conditions that directories ignore, a mkdir that destroys an
// object.
//
// # On disk
//
// The object /alice/stor/a/b is the file ROOT/alice/stor/a/b, so the server can serve a tree of
// plain files. What a file cannot hold (its ETag, MD5, headers and time in Manta) is in
// ROOT/.manta, keyed by the file's path and tied to its inode, size and time. A file that another
// program replaces is a new version. Names that a file system cannot hold or that have a special
// meaning there ("..", 300 bytes) are stored under a hash. A plain file larger than 1 MiB has no
// Content-MD5, because that would require reading the file.
//
// Only one process at a time may write to ROOT. The server may be late to notice changes by other
// programs if it writes to the same directory meanwhile.
//
// # Concurrency
//
// A Server is safe for concurrent use and starts no goroutine. Start starts the goroutines of
// net/http, and the test's cleanup ends them.
package mantatest
