package gen

import "testing"

func BenchmarkSample(b *testing.B) {
	w := newWorld(1)
	for i := range b.N {
		d, err := w.sample(Options{Seed: 1}, i)
		if err != nil || len(d.Info()) == 0 {
			b.Fatal(err)
		}
	}
}
