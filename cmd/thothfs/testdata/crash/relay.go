package main

import "os"

var pad string // set by the linker, so that builds differ

type node struct {
	n    int
	next *node
}

//go:noinline
func (n *node) value() int { return n.n + 1 }

//go:noinline
func sum(n *node) int { return n.value() + 1 }

//go:noinline
func count(m map[string]int, key string) int { m[key]++; return len(m) }

//go:noinline
func tally(m map[string]int) int { return count(m, "x") + 1 }

//go:noinline
func pick(list []int, i int) int { return list[i] + 1 }

//go:noinline
func choose(list []int) int { return pick(list, len(list)+3) + 1 }

func main() {
	switch os.Args[1] {
	case "nil":
		println(sum(nil))
	case "map":
		println(tally(nil))
	case "index":
		println(choose([]int{1}))
	}
}
