package corpus

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"thothfs/dump/document"
	"thothfs/store"
	"thothfs/store/mem"
)

// TestOtherProcessesAreToldAtOnce checks that edits, uploads and files stored beside a dump become
// visible in other processes that share the catalogue without a poll or a request, even if the file
// that they use for notification is removed.
func TestOtherProcessesAreToldAtOnce(t *testing.T) {
	s := mem.New()
	seed(s, 5)
	o := options(t, s)
	o.Poll, o.AttrTimeout = time.Hour, time.Hour
	b := open(t, o)
	sync1(t, b)
	counted := store.Count(s)
	o.Store = counted
	a := open(t, o)
	w, cancel := watch(a)
	defer cancel()
	ctx, stop := context.WithCancel(t.Context())
	var following sync.WaitGroup
	following.Go(func() { a.follow(ctx) })
	defer following.Wait()
	defer stop()
	n := 0
	told := func(i int) {
		t.Helper()
		n++
		if ch := w.wait(t, n)[n-1]; ch.ID != ident(i) || ch.Old == nil || ch.New == nil {
			t.Errorf("%+v, want a change of dump %d", ch, i)
		}
	}
	edit := func(i int) {
		t.Helper()
		if _, err := b.Edit(t.Context(), ident(i), document.Set("ticket", "T")); err != nil {
			t.Fatal(err)
		}
		told(i)
	}
	edit(0)
	edit(1)
	b.FilesChanged(t.Context(), ident(2))
	told(2)
	if err := os.Remove(a.cat.Path() + changedSuffix); err != nil {
		t.Fatal(err)
	}
	edit(3)
	edit(4)
	if n := counted.Snapshot().Total().Calls; n != 0 {
		t.Errorf("%d requests", n)
	}
}
