package corpus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/corpus/catalog"
	"thothfs/corpus/changelog"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
	"thothfs/store/mem"
	"thothfs/store/storetest"
)

// logging opens a corpus that writes its changes to the change log.
func logging(t *testing.T, s store.Store) *Corpus {
	o := options(t, s)
	o.Changes = true
	return open(t, o)
}

// entries returns the names of the change-log entries.
func entries(t *testing.T, s store.Store) (names []string) {
	t.Helper()
	for e, err := range s.List(t.Context(), changelog.Dir, "") {
		if errors.Is(err, store.ErrNotExist) {
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, e.Name)
	}
	return names
}

// addEntry adds an entry by a client whose clock shows at. The entry has a second line, so that its
// text must be read.
func addEntry(s store.Store, at time.Time, id dump.ID, etag string) {
	w := changelog.NewWriter(s, func() time.Time { return at }, slog.New(slog.DiscardHandler))
	w.Add(id, etag)
	w.Add(dump.ID{}, "")
	w.Close()
}

func ticket(t *testing.T, c *Corpus, id dump.ID, ticket string) {
	t.Helper()
	if _, err := c.Edit(t.Context(), id, document.Set("ticket", ticket)); err != nil {
		t.Fatal(err)
	}
}

// TestChangeLogTellsOthers checks that an edit by one client becomes visible to another after the
// next poll, which reads only the changed document.
func TestChangeLogTellsOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		seed(s, 500)
		time.Sleep(time.Hour)
		ours, theirs := logging(t, s), open(t, options(t, s))
		sync1(t, ours)
		running(t, theirs)
		time.Sleep(time.Second)
		wantCount(t, theirs, "", 500)
		for i := range 3 {
			ticket(t, ours, ident(i), "T-1")
		}
		time.Sleep(2 * theirs.o.Poll)
		wantCount(t, theirs, "ticket=T-1", 3)
		if n := len(entries(t, s)); n != 1 {
			t.Errorf("%d entries for three edits in a row", n)
		}
		gets, lists, stats := s.Calls(mem.Get), s.Calls(mem.List), s.Calls(mem.Stat)
		time.Sleep(10 * theirs.o.Poll) // nothing changes
		asked := s.Calls(mem.Get) + s.Calls(mem.List) + s.Calls(mem.Stat) - gets - lists - stats
		if asked > 10*3 {
			t.Errorf("%d requests in ten idle polls", asked)
		}
		gets = s.Calls(mem.Get)
		ticket(t, ours, ident(77), "T-2")
		edits := s.Calls(mem.Get) - gets
		time.Sleep(2 * theirs.o.Poll)
		wantCount(t, theirs, "ticket=T-2", 1)
		if n := s.Calls(mem.Get) - gets - edits; n > 2+2 { // the entry, the document, and one old document per poll
			t.Errorf("%d objects read for one edit", n)
		}
	})
}

// TestChangeLogOfNewDumps checks that a new dump is in the log, and that an entry for a dump that
// does not exist does no harm.
func TestChangeLogOfNewDumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		seed(s, 3)
		ours, theirs := logging(t, s), open(t, options(t, s))
		sync1(t, theirs)
		s.Set(infoKey(ident(9)), info(ident(9), "new", "", 1))
		ours.changes.Add(ident(9), "any")
		ours.changes.Add(ident(10), "any")
		time.Sleep(time.Second)
		if theirs.logReader.Read(t.Context(), false); len(entries(t, s)) != 1 {
			t.Fatal(entries(t, s))
		}
		unseen, err := theirs.cat.NewTasks(t.Context(), nil, 10)
		if err != nil || len(unseen) != 2 {
			t.Fatalf("%v, %v", unseen, err)
		}
		sync1(t, theirs)
		wantCount(t, theirs, "cmd=new", 1)
		wantCount(t, theirs, "", 4)
	})
}

// TestLargeCorpusIsListedSeldom checks that a large corpus that changed is not listed at every
// poll. The log contains the changes made by thothfs; the rest waits until a listing is due.
func TestLargeCorpusIsListedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		seed(s, 10)
		ours, theirs := logging(t, s), open(t, options(t, s))
		sync1(t, theirs)
		poll := func() {
			t.Helper()
			if err := theirs.poll(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		large := func() {
			t.Helper()
			if err := theirs.cat.Set(t.Context(), map[catalog.Key]string{catalog.EntryCount: fmt.Sprint(100 * entriesAPoll)}); err != nil {
				t.Fatal(err)
			}
		}
		large()
		s.Set(infoKey(ident(100)), info(ident(100), "original", "", 1))
		poll()
		wantCount(t, theirs, "", 11) // there is no log yet

		large()
		s.Set(infoKey(ident(101)), info(ident(101), "original", "", 1))
		s.Set(infoKey(ident(102)), info(ident(102), "thothfs", "", 1))
		ours.changes.Add(ident(102), "any")
		time.Sleep(time.Second)
		poll()
		wantCount(t, theirs, "cmd=thothfs", 1)
		wantCount(t, theirs, "", 12)
		time.Sleep(theirs.pollEvery() * 100 / changedShare)
		poll()
		wantCount(t, theirs, "", 13)

		large()
		s.Delete(ident(5).String())
		s.Set(ident(103).String()+"/unfinished", nil) // leaves the number of entries unchanged
		time.Sleep(99 * theirs.pollEvery())
		if err := theirs.cat.Set(t.Context(), map[catalog.Key]string{catalog.RootTag: must(s.Stat(t.Context(), "")).ETag}); err != nil {
			t.Fatal(err)
		}
		poll()
		wantCount(t, theirs, "", 13)
		time.Sleep(theirs.pollEvery())
		poll()
		wantCount(t, theirs, "", 12)
	})
}

// TestChangeLogIsNotAll checks that edits without an entry are eventually found: one per poll if
// there is a log, and faster if the log does not go back far enough.
func TestChangeLogIsNotAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		seed(s, 300)
		ours, theirs := logging(t, s), open(t, options(t, s))
		sync1(t, ours)
		sync1(t, theirs)
		ticket(t, ours, ident(0), "T-1")
		time.Sleep(time.Second)
		for i := range 300 {
			s.Set(infoKey(ident(i)), info(ident(i), "cmd", "T-2", 1))
		}
		polls := func(n int) {
			for range n {
				if err := theirs.poll(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(theirs.o.Revalidate)
		polls(5)
		wantCount(t, theirs, "ticket=T-2", 1+5) // the one in the log, and one per poll
		theirs.now = func() time.Time { return time.Now().Add(changelog.Retention) }
		polls(3)
		wantCount(t, theirs, "ticket=T-2", 300)
	})
}

// TestChangeLogEntries checks that hostile and damaged entries are skipped.
func TestChangeLogEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		seed(s, 3)
		c := open(t, options(t, s))
		now := time.Now().UTC().Format("20060102T150405.000Z")
		s.Set(changelog.Dir+"/notes", []byte("x"))
		s.Set(changelog.Dir+"/"+now+"-0000000000000001", []byte("nonsense"))
		s.Set(changelog.Dir+"/"+now+"-0000000000000002", make([]byte, 2<<20))
		addEntry(s, time.Now().Add(1000*time.Hour), ident(1), "x") // by a client whose clock is ahead
		sync1(t, c)
		s.Set(infoKey(ident(2)), info(ident(2), "late", "", 1))
		addEntry(s, time.Now(), ident(2), "x")
		if !c.followLog(t.Context()) {
			t.Error("no log")
		}
		flagged, err := c.cat.ChangedTasks(t.Context())
		if err != nil || len(flagged) != 1 || flagged[0].ID != ident(2) {
			t.Errorf("%v, %v", flagged, err)
		}
	})
}

// TestChangeLogClocks checks that an edit by one client becomes visible to another after its next
// poll even if the clocks of their machines differ by hours.
func TestChangeLogClocks(t *testing.T) {
	for _, off := range []struct{ writer, reader time.Duration }{
		{-7 * time.Hour, 0}, {7 * time.Hour, 0}, {0, -7 * time.Hour}, {0, 7 * time.Hour}, {-7 * time.Hour, 7 * time.Hour}, {7 * time.Hour, -7 * time.Hour},
	} {
		t.Run(fmt.Sprint(off.writer, off.reader), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := mem.New()
				seed(s, 50)
				time.Sleep(24 * time.Hour)
				writer, reader, right := logging(t, s), open(t, options(t, s)), logging(t, s)
				writer.now = func() time.Time { return time.Now().Add(off.writer) }
				reader.now = func() time.Time { return time.Now().Add(off.reader) }
				sync1(t, writer)
				sync1(t, right)
				sync1(t, reader)
				for i := range 6 {
					ticket(t, []*Corpus{writer, right}[i%2], ident(i), "T-1")
					time.Sleep(reader.o.Poll)
					if err := reader.poll(t.Context()); err != nil {
						t.Fatal(err)
					}
					wantCount(t, reader, "ticket=T-1", i+1)
				}
				calls := s.Calls("")
				for range 10 {
					time.Sleep(reader.o.Poll)
					if err := reader.poll(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if n := s.Calls("") - calls; n > 10*3 {
					t.Errorf("%d requests in ten idle polls", n)
				}
			})
		})
	}
}

// TestChangeLogEntryOfAnotherTime checks entries by a program that uses its own clock, which is far
// behind or ahead.
func TestChangeLogEntryOfAnotherTime(t *testing.T) {
	for _, off := range []time.Duration{-30 * 24 * time.Hour, -20 * time.Minute, 20 * time.Minute, 400 * 24 * time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := mem.New()
				seed(s, 50)
				time.Sleep(24 * time.Hour)
				ours, theirs := logging(t, s), open(t, options(t, s))
				sync1(t, ours)
				sync1(t, theirs)
				edit := func(i int) {
					attr := s.Set(infoKey(ident(i)), info(ident(i), "x", "T-1", 1))
					addEntry(s, time.Now().Add(off), ident(i), attr.ETag)
				}
				for i := range 6 {
					if i%2 == 0 {
						ticket(t, ours, ident(i), "T-1")
					} else {
						edit(i)
					}
					time.Sleep(theirs.o.Poll)
					if err := theirs.poll(t.Context()); err != nil {
						t.Fatal(err)
					}
					wantCount(t, theirs, "ticket=T-1", i+1)
				}
			})
		})
	}
}

// TestChangeLogFaults checks that a store that does not accept entries is tried once, that a
// failure to store an entry does not fail the edit, and that pending entries are stored by Close.
func TestChangeLogFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		seed(s, 20)
		r := &refusing{Store: s}
		c := logging(t, r)
		sync1(t, c)
		refuse := func(kind error) { r.err.Store(&kind) }
		refuse(store.ErrUnavailable)
		ticket(t, c, ident(0), "T")
		time.Sleep(time.Second)
		refuse(nil)
		ticket(t, c, ident(1), "T")
		time.Sleep(time.Second)
		if n := len(entries(t, s)); n != 1 || r.puts.Load() != 2 {
			t.Errorf("%d entries after %d tries", n, r.puts.Load())
		}
		refuse(store.ErrPermission)
		for i := range 5 {
			ticket(t, c, ident(2+i), "T")
			time.Sleep(time.Second)
		}
		if r.puts.Load() != 3 {
			t.Errorf("%d tries where none is allowed", r.puts.Load()-2)
		}
		o := options(t, s)
		o.Changes = true
		other, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		sync1(t, other)
		ticket(t, other, ident(10), "T")
		if err := other.Close(); err != nil {
			t.Error(err)
		}
		if n := len(entries(t, s)); n != 2 {
			t.Errorf("%d entries: the last words are lost", n)
		}
	})
}

// refusing makes storing entries fail.
type refusing struct {
	*mem.Store
	err  atomic.Pointer[error] // the kind of error
	puts atomic.Int64
}

func (r *refusing) Put(ctx context.Context, old store.Ref, src io.ReaderAt, size int64) (store.Attr, error) {
	if strings.HasPrefix(old.Key, changelog.Dir) {
		r.puts.Add(1)
		if kind := r.err.Load(); kind != nil && *kind != nil {
			return store.Attr{}, &store.Error{Op: "put", Key: old.Key, Kind: *kind}
		}
	}
	return r.Store.Put(ctx, old, src, size)
}

// TestChangeLogReadFaults checks that, whichever call fails because the store is unavailable, the
// next reconciliation finds the edit.
func TestChangeLogReadFaults(t *testing.T) {
	faults := slices.DeleteFunc(storetest.AllFaults(), func(f mem.Fault) bool { return f.Kind != store.ErrUnavailable })
	if len(faults) == 0 {
		t.Fatal("no such fault")
	}
	storetest.Faults(t, faults, func(t *testing.T, arm func(*mem.Faulty)) {
		s := mem.New()
		seed(s, 5)
		o := options(t, s)
		o.Log = slog.New(slog.DiscardHandler)
		c := open(t, o)
		sync1(t, c)
		attr := s.Set(infoKey(ident(2)), info(ident(2), "cmd", "T-1", 1))
		addEntry(s, time.Now(), ident(2), attr.ETag)
		arm(s.Faulty)
		c.Sync(t.Context(), nil)
		s.Heal()
		sync1(t, c)
		wantCount(t, c, "ticket=T-1", 1)
	})
}
