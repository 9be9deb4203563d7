// Package signature names the way a process or a Linux kernel died, so that the dumps of one bug
// can be found together.
//
// [Of] makes a [Signature] from the stack of the thread that died, in the format of info.json,
// and from the signal information in the dump, or the kernel's last message. [ParseSkip] parses the list of functions that
// say nothing about a bug.
//
// The package is pure: it opens no files, keeps no state and starts no goroutines. A stack is
// untrusted input: names are bounded, and patterns match in linear time.
package signature
