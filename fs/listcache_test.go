package fs

import (
	"context"
	"runtime"
	"testing"

	"thothfs/corpus"
)

// changingCorpus is empty and has been read as a whole. It panics if a test makes an unexpected call.
type changingCorpus struct {
	Corpus
	generation uint64
}

func (c *changingCorpus) Generation() uint64          { return c.generation }
func (c *changingCorpus) Whole(context.Context) error { return nil }
func (c *changingCorpus) IsWhole() bool               { return true }

// newTestTree returns a tree over a corpus that only has a generation.
func newTestTree(t testing.TB) (*Tree, *changingCorpus) {
	t.Helper()
	c := &changingCorpus{}
	tree, err := New(Options{Corpus: c, Cache: noBlocks{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tree.Close)
	return tree, c
}

type noBlocks struct{ Blocks }

// TestListsDoNotAccumulate checks that a directory that is listed repeatedly keeps one list, not
// one for each change of the corpus.
func TestListsDoNotAccumulate(t *testing.T) {
	tree, c := newTestTree(t)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const rows = 1 << 17
	var k cachedList[[]corpus.Row]
	list := func() {
		c.generation++
		if _, err := k.get(t.Context(), tree, 0, func() ([]corpus.Row, error) { return make([]corpus.Row, rows), nil }); err != nil {
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
