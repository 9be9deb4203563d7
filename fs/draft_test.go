package fs

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"

	"thothfs/store"
)

// slowShelf stores in memory, slowly or not at all.
type slowShelf struct {
	mu     sync.Mutex // guards what follows
	stored []string
	fail   error
}

func (s *slowShelf) key() string                              { return "slow" }
func (s *slowShelf) mode() uint32                             { return modeValue }
func (s *slowShelf) number(string) (a fusefs.StableAttr)      { return a }
func (s *slowShelf) check(string) error                       { return nil }
func (s *slowShelf) isTemporary(context.Context, string) bool { return false }
func (s *slowShelf) names(context.Context) ([]string, error)  { return nil, nil }
func (s *slowShelf) remove(context.Context, string) error     { return nil }
func (s *slowShelf) rename(_ context.Context, _, _ string) error {
	return nil
}

func (s *slowShelf) stat(context.Context, string) (int64, time.Time, error) {
	return 0, time.Time{}, store.ErrNotExist
}

func (s *slowShelf) open(context.Context, string) (fusefs.FileHandle, error) {
	return nil, store.ErrNotExist
}

func (s *slowShelf) read(context.Context, string) ([]byte, error) { return nil, store.ErrNotExist }

func (s *slowShelf) put(c context.Context, name string, data []byte, gone string) error {
	select {
	case <-time.After(time.Second):
	case <-c.Done():
		return c.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail == nil {
		s.stored = append(s.stored, string(data))
	}
	return s.fail
}

func (s *slowShelf) has() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.stored)
}

// Two closes at the same time: what was written last is stored last, and each returns
// when its own is stored.
func TestDraftSavesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ds drafts
		s := &slowShelf{}
		d := ds.begin(s, "n", true, beginning{created: true})
		var all sync.WaitGroup
		for _, text := range []string{"1", "12", "123"} {
			ds.write(d, []byte(text), 0)
			all.Go(func() { // ends with the test
				if err := ds.save(t.Context(), d, true); err != nil {
					t.Error(err)
				}
				if has := s.has(); len(has) == 0 || len(has[len(has)-1]) < len(text) {
					t.Errorf("returned with %q, stored %q", text, has)
				}
			})
			synctest.Wait()
		}
		all.Wait()
		if has := s.has(); !slices.Equal(has, []string{"1", "123"}) {
			t.Errorf("stored %q", has)
		}
	})
}

// Who opens a file to read joins what is being written, but not what is stored already:
// close(2) returns before the kernel tells of the last close.
func TestReadersOfWhatIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ds drafts
		s := &slowShelf{}
		d := ds.begin(s, "n", true, beginning{created: true})
		joined := func(want *draft) {
			t.Helper()
			if got := ds.join(s, "n", false, false); got != want {
				t.Errorf("a reader has %v", got)
			}
		}
		joined(d)
		ds.write(d, []byte("1"), 0)
		joined(d)
		if err := ds.save(t.Context(), d, true); err != nil {
			t.Fatal(err)
		}
		joined(nil)
		ds.write(d, []byte("2"), 0)
		joined(d)
		if ds.join(s, "n", true, false) != d {
			t.Error("a second writer has a file of his own")
		}
		ds.setAside(d, "n", "")
		if err := ds.save(t.Context(), d, true); err != nil {
			t.Fatal(err)
		}
		joined(d) // of a temporary file nothing is stored
	})
}

func TestDraftSaveFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ds drafts
		s := &slowShelf{fail: store.ErrUnavailable}
		d := ds.begin(s, "n", true, beginning{created: true})
		if err := ds.save(t.Context(), d, true); err != nil || len(s.has()) != 0 {
			t.Errorf("closed before anything was written: %v, stored %q", err, s.has())
		}
		ds.write(d, []byte("text"), 0)
		if err := ds.save(t.Context(), d, true); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := ds.save(ctx, d, true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if ds.leave(d) {
			t.Error("what somebody was told has failed is stored behind his back")
		}
		if ds.find(s, "n") != nil || ds.bytes != 0 {
			t.Errorf("it is still there, %d bytes", ds.bytes)
		}
	})
}

func TestDraftAccount(t *testing.T) {
	var ds drafts
	s := &slowShelf{}
	d := ds.begin(s, "n", true, beginning{data: make([]byte, 10)})
	ds.write(d, make([]byte, 5), 20)
	other := ds.begin(s, "temp", true, beginning{temporary: true})
	ds.truncate(other, 100)
	if ds.bytes != 125 {
		t.Errorf("%d bytes", ds.bytes)
	}
	ds.leave(other) // a temporary one stays
	ds.settle(d, "temp", ds.edition(d))
	if ds.find(s, "temp") != d || ds.find(s, "n") != nil || ds.bytes != 25 {
		t.Errorf("%d bytes after a rename", ds.bytes)
	}
	ds.leave(d)
	if ds.bytes != 0 || len(ds.named) != 0 {
		t.Errorf("%d bytes, %d drafts are left", ds.bytes, len(ds.named))
	}
}

func TestEditorsNames(t *testing.T) {
	for name, want := range map[string]bool{
		".x.swp": true, ".#x": true, "x~": true, "#x#": true, "4913": true, "5036": true, "sedaB3dE1": true, ".goutputstream-X": true,
		"x": false, "4914": false, "123": false, "#": false, "sedate": false, "sed": false, "x.swp": false, "a~b": false,
	} {
		if isEditors(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
