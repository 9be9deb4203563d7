// Package dump reads core and crash dumps: their formats, the hash that names
// them, and what a dump's file name and attributes say about its origin.
// The info.json beside a dump belongs to package document.
//
// [Inspect] returns what a dump says about itself, [Hash] only its name,
// [Predict] the parts of it that a debugger reads first. [Decompress] unpacks a
// compressed dump, [Rearrange] a flattened one.
//
// The package is pure: it opens no file, keeps no state and starts no goroutine.
// Its functions may be called by several goroutines at once, and share a result as
// long as none of them changes it.
//
// A dump is hostile input. Lengths and counts are compared with the size of the
// file before memory is allocated, addresses and offsets are bounded, and each
// parser has a fuzz test. Facts beyond the constants called max… are left out.
//
// # Formats
//
// ELF cores of Linux, illumos, FreeBSD, NetBSD, OpenBSD and Hubris processes; ELF,
// KDUMP and DISKDUMP files of Linux kernels; full dumps of FreeBSD kernels; vmdump.N
// and vmcore.N of illumos kernels. A new format is a file and a line in formats.go.
// Other known kinds of dump are refused by name ([UnsupportedError]).
package dump
