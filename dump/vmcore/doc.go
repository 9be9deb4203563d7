// Package vmcore reads the dump of a Linux kernel without its vmlinux: who it was, why it
// panicked, and its log. Everything is found through VMCOREINFO, the list of addresses, offsets
// and sizes that the kernel leaves in the dump for this purpose
// (Documentation/admin-guide/kdump/vmcoreinfo.rst of Linux).
//
// A [Source] is the memory of the crashed machine. [Segments] reads it from an ELF file, [Pages]
// from a file in makedumpfile's format. [New] makes a [Kernel] of it; [Kernel.Facts] and
// [Kernel.Log] read it. Page tables are walked for x86_64 and aarch64.
//
// The package is pure: it opens no file and starts no goroutine. A dump is hostile input:
// lengths are bounded before memory is allocated, and a Kernel reads at most maxRead bytes.
// Damage leaves out what it hides, and nothing else.
package vmcore
