package corpus

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"thothfs/corpus/catalog"
	"thothfs/query"
	"thothfs/store"
	"thothfs/store/mem"
)

func quiet(t testing.TB, s store.Store) Options {
	o := options(t, s)
	o.Log = slog.New(slog.DiscardHandler)
	return o
}

// BenchmarkSync10k reads 10,000 dumps into an empty catalogue.
func BenchmarkSync10k(b *testing.B) {
	s := mem.New()
	seed(s, 10_000)
	o := quiet(b, s)
	for i := 0; b.Loop(); i++ {
		o.Dir = filepath.Join(b.TempDir(), fmt.Sprint(i))
		sync1(b, open(b, o))
	}
}

// benchCorpus returns a corpus with n dumps in its catalogue and none in its store.
func benchCorpus(b *testing.B, n int) *Corpus {
	s := mem.New()
	c := open(b, quiet(b, s))
	for i := 0; i < n; {
		var seen []catalog.Observation
		for range min(1000, n-i) {
			raw := info(ident(i), fmt.Sprintf("cmd%d", i%(n/100)), "", int64(1_000_000+i))
			d := catalog.NewDump(ident(i), raw, store.Attr{ETag: "e", Size: int64(len(raw))}, "")
			seen = append(seen, catalog.Observation{ID: ident(i), At: time.Now(), Kind: catalog.Found, Dump: d})
			i++
		}
		c.observe(context.Background(), seen)
	}
	return c
}

func BenchmarkSelect(b *testing.B) {
	const n = 100_000
	c := benchCorpus(b, n)
	for _, text := range []string{"", "cmd=cmd7", "cmd=cmd7 ticket=undefined", "cmd=cmd7*", "mtime=1970-01-12 otime=1970-01-13 limit=10", "properties.x=y"} {
		spec := must(query.Parse(text))
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			rows := 0
			for b.Loop() {
				rows = len(must(c.Select(b.Context(), spec)))
			}
			b.ReportMetric(float64(rows), "rows")
		})
	}
	b.Run("Values cmd", func(b *testing.B) {
		for b.Loop() {
			must(c.Values(b.Context(), catalog.Cmd))
		}
	})
	b.Run("Cached", func(b *testing.B) {
		for b.Loop() {
			must(c.Cached(b.Context(), ident(5)))
		}
	})
}
