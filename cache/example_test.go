package cache_test

import (
	"context"
	"fmt"
	"os"

	"thothfs/cache"
	"thothfs/store"
	"thothfs/store/mem"
)

func Example() {
	ctx := context.Background()
	s := mem.New()
	attr := s.Set("6433c1cc/core", []byte("\x7fELF and so on"))
	dir, err := os.MkdirTemp("", "cache")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	c, err := cache.Open(cache.Options{Dir: dir, Source: s, Namespace: "memory"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	f := c.Open(store.Ref{Key: "6433c1cc/core", ETag: attr.ETag}, attr.Size)
	defer f.Close()
	p := make([]byte, 3)
	n, err := f.ReadAt(ctx, p, 1)
	fmt.Println(n, err, string(p))
	// Output: 3 <nil> ELF
}
