// Package signature names the way a process died, so that the dumps of one bug can be found
// together.
//
// [Of] makes a [Signature] from the stack of the thread that died, in the form of info.json,
// and from what the dump says about its signal. [ParseSkip] reads the list of functions that
// say nothing about a bug.
//
// The package is pure: it opens no file, keeps no state and starts no goroutine. A stack is
// hostile input: names are bounded, and patterns match in linear time.
package signature
