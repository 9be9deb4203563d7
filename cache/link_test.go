package cache

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"thothfs/store"

	"thothfs/cache/hotpack"
)

// link is a Source behind a network link. Each request takes a round trip, and all requests
// share the bandwidth in units of 64 KiB.
type link struct {
	data []byte
	rtt  time.Duration
	rate float64 // bytes per second

	mu       sync.Mutex // guards the fields below
	free     time.Time  // when the link will have sent everything requested
	requests int
	bytes    int64
}

// links are the network links that the read path is designed for.
var links = []struct {
	name string
	rtt  time.Duration
	rate float64
}{
	{"wan", 20 * time.Millisecond, 500e6 / 8},
	{"far", 100 * time.Millisecond, 100e6 / 8},
}

func (l *link) ReadAt(ctx context.Context, _ store.Ref, p []byte, off int64) (int, error) {
	l.mu.Lock()
	l.requests++
	l.bytes += int64(len(p))
	l.mu.Unlock()
	at := time.Now().Add(l.rtt)
	n := copy(p, l.data[off:])
	for sent := 0; sent < n; {
		if err := until(ctx, at); err != nil {
			return 0, err
		}
		turn := min(64<<10, n-sent)
		sent += turn
		l.mu.Lock()
		if l.free.Before(at) {
			l.free = at
		}
		l.free = l.free.Add(time.Duration(float64(turn) / l.rate * 1e9))
		at = l.free
		l.mu.Unlock()
	}
	if err := until(ctx, at); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func until(ctx context.Context, at time.Time) error {
	wait := time.NewTimer(time.Until(at))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// BenchmarkSequential reads a cold object from end to end in reads of 128 KiB, as the kernel
// does. The baseline is one request for the whole object.
func BenchmarkSequential(b *testing.B) {
	data := noise()
	for _, k := range links {
		for _, size := range []int64{7 << 20, benchSize} {
			b.Run(fmt.Sprintf("%s/%dM/one stream", k.name, size>>20), func(b *testing.B) {
				b.SetBytes(size)
				p := make([]byte, size)
				for range b.N {
					l := &link{data: data, rtt: k.rtt, rate: k.rate}
					if _, err := l.ReadAt(b.Context(), store.Ref{}, p, 0); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("%s/%dM/cache", k.name, size>>20), func(b *testing.B) {
				b.SetBytes(size)
				p := make([]byte, 128<<10)
				for range b.N {
					b.StopTimer()
					l := &link{data: data, rtt: k.rtt, rate: k.rate}
					c := open(b, options(b, l))
					f := openFile(b, c, "a", size)
					b.StartTimer()
					for off := int64(0); off < size; off += int64(len(p)) {
						if _, err := f.ReadAt(b.Context(), p, off); err != nil {
							b.Fatal(err)
						}
					}
					b.StopTimer()
					settle(b, c)
					b.ReportMetric(float64(l.requests), "requests")
					b.ReportMetric(float64(l.bytes)/float64(size), "fetched/size")
					f.Close()
					c.Close()
					b.StartTimer()
				}
			})
		}
	}
}

// BenchmarkColdDebugger reads the pages that a debugger faults in through mmap, one after
// another, from a cold core with 30 mappings: with a prediction, with a pack, and with neither.
func BenchmarkColdDebugger(b *testing.B) {
	data := noise()
	var faults, predicted []hotpack.Range
	for i := range int64(30) {
		off := (i*2_000_003 + 70_000) / page * page
		predicted = append(predicted, hotpack.Range{Off: off, Len: page})
		faults = append(faults, hotpack.Range{Off: max(0, off-64<<10), Len: 128 << 10})
	}
	ref := store.Ref{Key: "a", ETag: "v1"}
	hot, err := hotpack.Encode(ref, benchSize, readerAt(func(p []byte, off int64) (int, error) { return copy(p, data[off:]), nil }), predicted, 64<<10, false)
	if err != nil {
		b.Fatal(err)
	}
	for _, k := range links {
		for _, way := range []string{"held", "nothing", "prediction", "pack"} {
			b.Run(k.name+"/"+way, func(b *testing.B) {
				for range b.N {
					b.StopTimer()
					l := &link{data: data, rtt: k.rtt, rate: k.rate}
					o := options(b, l)
					if way == "prediction" || way == "pack" {
						o.Predict = predicts(predicted...)
					}
					if way == "pack" {
						o.Hot = func(ctx context.Context, _ store.Ref, _ int64) ([]byte, error) {
							_, err := l.ReadAt(ctx, ref, make([]byte, len(hot)), 0)
							return hot, err
						}
					}
					c := open(b, o)
					f := c.Open(ref, benchSize)
					if way == "held" {
						touch(b, f, faults)
						settle(b, c)
					}
					l.requests, l.bytes = 0, 0
					b.StartTimer()
					touch(b, f, faults)
					b.StopTimer()
					settle(b, c)
					s := c.Stats()
					b.ReportMetric(float64(s.Misses), "stalls")
					b.ReportMetric(float64(l.requests), "requests")
					b.ReportMetric(float64(l.bytes)/(1<<20), "MiB")
					f.Close()
					c.Close()
					b.StartTimer()
				}
			})
		}
	}
}

func touch(b *testing.B, f *File, ranges []hotpack.Range) {
	p := make([]byte, 128<<10)
	for _, r := range append([]hotpack.Range{{Off: 0, Len: page}}, ranges...) {
		if _, err := f.ReadAt(b.Context(), p[:min(r.Len, f.o.Size-r.Off)], r.Off); err != nil {
			b.Fatal(err)
		}
	}
}
