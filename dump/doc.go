// Package dump reads core and crash dumps: their formats, the hash that names
// them, and what a dump's file name and attributes say about its origin.
// The info.json beside a dump belongs to package document.
//
// [Inspect] returns what a dump says about itself, [Hash] only its name,
// [Reads] the parts of it that a debugger reads first. [Decompress] unpacks a
// compressed dump.
//
// The package is pure: it opens no file, reads only what it is handed, keeps no
// state, starts no goroutine. Everything in it may be used by several goroutines
// at once, a result as long as nobody changes it.
//
// A dump is hostile input. Whatever length or count it claims is held against the
// size of the file before memory is given to it, addresses and offsets are
// bounded, and each parser has a fuzz test. What is too much to be real is left
// out: see the constants called max….
//
// # Formats
//
// Taken: ELF cores of Linux, illumos, FreeBSD, NetBSD, OpenBSD and Hubris
// processes; ELF, KDUMP and DISKDUMP files of Linux kernels; full FreeBSD kernel
// dumps; vmdump.N and vmcore.N of illumos kernels. The other kinds of dump that
// are known by their first bytes are refused by name ([UnsupportedError]).
package dump
