// Command relay is a Go program that crashes with a core dump by writing to a nil map.
package main

import (
	"os"
	"runtime/debug"
)

type session struct{ seen map[string]int }

//go:noinline
func (s *session) note(peer string) { s.seen[peer]++ }

//go:noinline
func serve(peer string) {
	var s session
	s.note(peer)
}

func main() {
	debug.SetTraceback("crash") // like GOTRACEBACK=crash: end with SIGABRT
	serve(os.Args[0])
}
