// Package dump reads core and crash dumps: their formats, the hash that identifies them, and the
// information about their origin in a dump's file name and attributes. Package document handles
// the info.json beside a dump.
//
// [Inspect] returns all information that a dump contains about itself, [Hash] only its ID,
// [Predict] the parts that a debugger reads first, [KernelLog] the log of a Linux kernel (package
// vmcore reads its memory). [Decompress] unpacks a compressed dump, [Rearrange] a flattened one.
//
// The package is pure: it opens no file, keeps no state and starts no goroutine. Its functions
// may be called concurrently. Their results may be shared as long as nobody changes them.
//
// A dump is hostile input. Lengths and counts are compared with the size of the file before
// memory is allocated, addresses and offsets are bounded, and each parser has a fuzz test.
// Information beyond the limits set by the constants named max… is left out.
//
// # Formats
//
// The supported formats are ELF cores of Linux, illumos, FreeBSD, NetBSD, OpenBSD and Hubris
// processes; ELF, KDUMP and DISKDUMP files of Linux kernels; full dumps of FreeBSD kernels; and
// vmdump.N and vmcore.N of illumos kernels. A new format needs a file and a line in formats.go.
// Other known kinds of dump are rejected by name ([UnsupportedError]).
package dump
