// Command bench measures how fast debuggers read dumps through thothfs, compared with the local
// file, a download and other file systems over HTTP, in one run on one machine. It serves a
// corpus on the loopback interface over a line as slow as a real one (using mantatest's latency
// and bandwidth), mounts it with each tool, and runs each command on each core: cold (fresh
// mount, fresh cache) and then warm (repeated). The tools alternate.
//
//	go run ./scripts/bench [--runs 5] [--links lan,wan,far] [--cores …] [--tools …] [--commands …]
//
// The results are written to bench.md, bench.json and bench.svg in the directory given by --out.
// The cores are created once, by crashing real programs, and kept in the directory given by
// --dir.
//
// # What is measured
//
// A command is timed from its start to its end. Its output must equal its output for the local
// file; otherwise the case is an error. "Added" is the time in excess of that for the local file
// in the page cache, which is the strictest baseline. Requests and bytes are those counted by the
// server up to the end of the command. The listings of other tools are read before the timing
// starts; those of thothfs are not.
//
// # Limits of the line
//
// Each request waits for one round trip, and the bodies of all responses share the bandwidth. The
// handshakes and slow start of TCP and TLS are not simulated.
package main
