package fs

import (
	"runtime"
	"testing"

	"thothfs/corpus"
	"thothfs/store/mem"
)

// A directory that is listed again and again keeps one list, not one for each
// change to the corpus.
func TestSnapshotsDoNotPileUp(t *testing.T) {
	c := newPlainCorpus(mem.New())
	tree := newTree(Options{Corpus: c})
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const rows = 1 << 17
	var k kept[[]corpus.Row]
	list := func() {
		c.refresh() // another generation
		if _, err := k.get(tree, 0, func() ([]corpus.Row, error) { return make([]corpus.Row, rows), nil }); err != nil {
			t.Fatal(err)
		}
	}
	list()
	one := heap()
	for range 10 {
		list()
	}
	if more := heap() - one; more > rows*16 {
		t.Errorf("ten more lists of %d rows keep %d bytes", rows, more)
	}
	runtime.KeepAlive(tree)
}
