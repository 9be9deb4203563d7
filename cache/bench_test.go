package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"thothfs/store"
)

const benchSize = 64 << 20

// BenchmarkHit reads cached blocks, and compares that with the same reads of a plain file.
func BenchmarkHit(b *testing.B) {
	o := options(b, &source{size: benchSize})
	c := open(b, o)
	f := openFile(b, c, "a", benchSize)
	data := make([]byte, benchSize)
	fill("b", data, 300<<10) // mostly nonzero
	plain := filepath.Join(b.TempDir(), "plain")
	if err := os.WriteFile(plain, data, 0o600); err != nil {
		b.Fatal(err)
	}
	p, err := os.Open(plain)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	if _, err := f.ReadAt(b.Context(), data, 0); err != nil {
		b.Fatal(err)
	}
	settle(b, c)
	readers := []struct {
		name string
		read func(p []byte, off int64) (int, error)
	}{
		{"cache", func(p []byte, off int64) (int, error) { return f.ReadAt(b.Context(), p, off) }},
		{"file", p.ReadAt},
	}
	for _, n := range []int64{4 << 10, 128 << 10, 1 << 20} {
		for _, r := range readers {
			b.Run(fmt.Sprintf("%dK/%s", n>>10, r.name), func(b *testing.B) {
				b.SetBytes(n)
				b.ReportAllocs()
				buf := make([]byte, n)
				for i := range int64(b.N) {
					if _, err := r.read(buf, place(i, n)); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("%dK/%s/parallel", n>>10, r.name), func(b *testing.B) {
				b.SetBytes(n)
				var next atomic.Int64
				b.RunParallel(func(pb *testing.PB) {
					buf := make([]byte, n)
					for pb.Next() {
						if _, err := r.read(buf, place(next.Add(1), n)); err != nil {
							b.Error(err)
						}
					}
				})
			})
		}
	}
}

// place returns the offset of the i-th read of n bytes, in the part of the file that is not
// zeros.
func place(i, n int64) int64 {
	for {
		off := i * 7919 % (benchSize / n) * n
		if off/(300<<10)%3 != 1 {
			return off
		}
		i++
	}
}

// BenchmarkMiss fetches blocks from a source without latency and stores them.
func BenchmarkMiss(b *testing.B) {
	for _, n := range []int64{128 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dK", n>>10), func(b *testing.B) {
			o := options(b, flat(noise()))
			c := open(b, o)
			b.SetBytes(n)
			b.ReportAllocs()
			buf := make([]byte, n)
			var f *File
			per := benchSize / n
			for i := range int64(b.N) {
				if i%per == 0 {
					if f != nil {
						f.Close()
					}
					f = openFile(b, c, fmt.Sprint(i), benchSize)
				}
				off := i * 7919 % per * n // not sequential
				if _, err := f.ReadAt(b.Context(), buf, off); err != nil {
					b.Fatal(err)
				}
			}
			f.Close()
			settle(b, c)
		})
	}
}

// noise returns random bytes.
func noise() []byte {
	p := make([]byte, benchSize)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// flat is a Source that only copies from memory.
type flat []byte

func (s flat) ReadAt(_ context.Context, _ store.Ref, p []byte, off int64) (int, error) {
	return copy(p, s[off:]), nil
}
