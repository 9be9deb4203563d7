// Command bench measures how fast debuggers read dumps through thothfs, beside the
// local file, a download and other file systems over HTTP, in one run on one
// machine. It serves a corpus on the loopback interface over a line as slow as a real
// one (mantatest's latency and bandwidth), mounts it with each tool, and runs each
// command on each core: cold (fresh mount, fresh cache) and then warm (the same again).
// The tools alternate.
//
//	go run ./scripts/bench [--runs 5] [--links lan,wan,far] [--cores …] [--tools …] [--commands …]
//
// The results are bench.md, bench.json and bench.svg in the directory of --out. The
// cores are made once, by crashing real programs, and kept in the directory of --dir.
//
// # What is measured
//
// The clock runs from the start of a command to its end. Every command's output
// must equal its output for the local file, or the case is an error. "Added" is the
// time beyond that of the local file in the page cache, which is the strictest
// baseline. Requests and bytes are those that the server counted until the command's
// end. The listings of other tools are read before the clock starts, those of thothfs
// are not.
//
// # Limits of the line
//
// Each request waits for one round trip, and the bodies of all answers share the
// bandwidth. The handshakes and the slow start of TCP and TLS are not simulated.
package main
