package corpus

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/query"
	"thothfs/store"
	"thothfs/store/mem"
	"thothfs/store/storetest"
)

// elsewhere opens the corpus like a machine on which the store has another name.
func elsewhere(t *testing.T, s store.Store) *Corpus {
	o := options(t, s)
	o.Name = "the same by another name"
	return open(t, o)
}

func publish(t *testing.T, c *Corpus) catalog.Snapshot {
	t.Helper()
	s, err := c.Publish(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func take(t *testing.T, c *Corpus) {
	t.Helper()
	if taken, err := c.TakeSnapshot(t.Context(), nil); !taken || err != nil {
		t.Fatalf("not taken: %v, %v", taken, err)
	}
}

// documents returns all documents of a corpus.
func documents(t *testing.T, c *Corpus) map[dump.ID]string {
	t.Helper()
	all := map[dump.ID]string{}
	for d, err := range c.Dumps(t.Context(), query.Spec{}) {
		if err != nil {
			t.Fatal(err)
		}
		all[d.ID] = string(d.Doc.Raw())
	}
	return all
}

// TestSnapshot checks that a new client starts from the snapshot, reads only the documents that
// changed, and then has the same catalogue as a client that read everything.
func TestSnapshot(t *testing.T) {
	s := mem.New()
	seed(s, 700)
	s.Set(ident(9999).String()+"/core.unfinished", []byte("x"))
	first := logging(t, s)
	sync1(t, first)
	p := publish(t, first)
	if attr, err := s.Stat(t.Context(), snapshotKey); err != nil || attr.Size != p.Size || p.Dumps != 700 || time.Since(p.Time) > time.Hour {
		t.Errorf("%+v, %+v, %v", p, attr, err)
	}
	for i := range 20 {
		ticket(t, first, ident(i), "T-1")
	}
	for i := range 10 {
		s.Set(infoKey(ident(1000+i)), info(ident(1000+i), "new", "", 1))
	}
	s.Delete(ident(600).String())
	first.changes.Close()
	first.changes = nil

	second := elsewhere(t, s)
	gets := s.Calls(mem.Get)
	var last, total int64
	taken, err := second.TakeSnapshot(t.Context(), func(done, of int64) { last, total = done, of })
	if !taken || err != nil || last != p.Size || total != p.Size {
		t.Fatalf("taken: %v, %v; %d of %d bytes, want %d", taken, err, last, total, p.Size)
	}
	wantCount(t, second, "", 700)
	if s.Calls(mem.Get) != gets {
		t.Error("documents were read")
	}
	second.o.AttrTimeout = time.Hour // published documents are not checked again
	sync1(t, second)
	wantCount(t, second, "", 709)
	wantCount(t, second, "ticket=T-1", 20)
	wantCount(t, second, "cmd=new", 10)
	if n := s.Calls(mem.Get) - gets; n > 20+10+1+5 {
		t.Errorf("%d objects were read", n)
	}
	third := open(t, options(t, s))
	sync1(t, third)
	if a, b := documents(t, second), documents(t, third); fmt.Sprint(a) != fmt.Sprint(b) {
		t.Error("from the snapshot the corpus looks different")
	}
	if taken, err := second.TakeSnapshot(t.Context(), nil); taken || err != nil {
		t.Errorf("taken over what is known: %v, %v", taken, err)
	}
	publish(t, second) // replaces the first
	if left, _ := filepath.Glob(filepath.Join(second.o.Dir, "snapshot-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestVerify checks that Verify finds edits that are not in the change log.
func TestVerify(t *testing.T) {
	s := mem.New()
	seed(s, 500)
	c := open(t, options(t, s))
	c.o.AttrTimeout = time.Hour
	sync1(t, c)
	for i := range 500 {
		s.Set(infoKey(ident(i)), info(ident(i), "cmd", "T-9", 1))
	}
	sync1(t, c)
	wantCount(t, c, "ticket=T-9", 0)
	if err := c.Verify(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	wantCount(t, c, "ticket=T-9", 500)
}

// TestSnapshotIsTold checks that subscribers are notified of a snapshot, and that other processes
// with the same catalogue use the new file.
func TestSnapshotIsTold(t *testing.T) {
	s := mem.New()
	seed(s, 50)
	first := elsewhere(t, s)
	sync1(t, first)
	publish(t, first)
	o := options(t, s)
	a, b := open(t, o), open(t, o)
	told := make(chan struct{}, 100)
	a.Subscribe(func([]Change) { told <- struct{}{} })
	take(t, a)
	if _, err := a.readJournal(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-told
	wantCount(t, a, "", 50)
	sync1(t, b)
	wantCount(t, b, "", 50)
	if !a.Synced() {
		t.Error("what is known is taken for a part")
	}
}

// TestSnapshotFaults checks that if any call of the store fails, no partial snapshot is used or
// published, and the next attempt succeeds.
func TestSnapshotFaults(t *testing.T) {
	storetest.Faults(t, storetest.AllFaults(), func(t *testing.T, arm func(*mem.Faulty)) {
		s := mem.New()
		seed(s, 5)
		c := open(t, options(t, s))
		sync1(t, c)
		arm(s.Faulty)
		_, err := c.Publish(t.Context(), nil)
		if err != nil && store.Kind(err) == nil {
			t.Errorf("not an error of the store: %v", err)
		}
		other := elsewhere(t, s)
		if _, err := other.TakeSnapshot(t.Context(), nil); err != nil && store.Kind(err) == nil {
			t.Errorf("not an error of the store: %v", err)
		}
		s.Heal()
		if _, err := c.Publish(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if _, err := other.TakeSnapshot(t.Context(), nil); err != nil {
			t.Error(err)
		}
		sync1(t, other)
		wantCount(t, other, "", 5)
	})
}

// TestSnapshotInterrupted checks that an interrupted Publish or TakeSnapshot leaves nothing behind.
func TestSnapshotInterrupted(t *testing.T) {
	s := mem.New()
	seed(s, 5)
	c := open(t, options(t, s))
	if _, err := c.Publish(t.Context(), nil); err == nil {
		t.Error("a corpus that was not read is published")
	}
	sync1(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Publish(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	publish(t, c)
	other := elsewhere(t, s)
	if taken, err := other.TakeSnapshot(ctx, nil); taken || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", taken, err)
	}
	take(t, other)
	for _, c := range []*Corpus{c, other} {
		if left, _ := filepath.Glob(filepath.Join(c.o.Dir, "snapshot-*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}
