// Command bench measures how fast debuggers read dumps through thothfs, beside the
// local file, a download and other file systems over HTTP, in one run on one
// machine. It serves a corpus on the loopback interface over a line that is as
// slow as a real one (mantatest's latency and bandwidth), mounts it with each
// tool, and runs each command on each core: cold (fresh mount, fresh cache) and
// then warm (the same again). The tools take turns.
//
//	go run ./scripts/bench [--runs 5] [--links lan,wan,far] [--cores …] [--tools …] [--commands …]
//
// What it shows is in bench.md, bench.json and bench.svg in the directory of
// --out. The cores are made once, by crashing real programs, and kept in the
// directory of --dir.
//
// # What is measured
//
// The clock runs from the start of a command to its end. Every command's output
// must equal what it says of the local file, or the case is an error. "Added" is
// the time beyond the local file's in the page cache, which is the strictest
// baseline. Requests and bytes are those that the server saw until the command's
// end. The listings of other tools are read before the clock starts; thothfs gets
// no such help.
//
// # What the line is not
//
// Each request waits for one round trip, and the bodies of all answers share the
// bandwidth. Neither the handshakes nor the slow start of TCP and TLS are played.
package main
