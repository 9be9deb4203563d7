package cache

import (
	"sync"
	"testing"
)

// TestColdReadLooksOnce counts the disk operations in reads of blocks that are not cached, and
// of blocks that are.
func TestColdReadLooksOnce(t *testing.T) {
	const size, block = 8 << 20, 128 * kib
	var mu sync.Mutex
	ops := map[string]int{}
	o := options(t, &source{size: size})
	o.fault = func(op string) error {
		mu.Lock()
		defer mu.Unlock()
		ops[op]++
		return nil
	}
	c := open(t, o)
	f := openFile(t, c, "a", size)
	count := func(what string, off int64, blocks int, want map[string]int) {
		t.Helper()
		clear(ops)
		check(t, f, off, blocks*block)
		settle(t, c)
		for op, n := range want {
			if ops[op] != n {
				t.Errorf("%s: %d times %s, want %d (%v)", what, ops[op], op, n, ops)
			}
		}
	}
	check(t, f, 0, 10)
	settle(t, c)
	count("a cold block", 20*block, 1, map[string]int{"acquire": 1, "open": 0, "read": 1, "write": 1, "record": 1})
	count("eight cold blocks", 40*block, 8, map[string]int{"acquire": 1, "open": 0, "read": 8, "record": 1})
	count("a held block", 20*block, 1, map[string]int{"acquire": 1, "read": 1, "record": 0})
	f.Close()
	settle(t, c)
	f = openFile(t, c, "b", size)
	count("the first block of a version", 0, 1, map[string]int{"acquire": 1, "open": 1, "read": 1, "write": 1})
}
