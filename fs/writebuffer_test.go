package fs

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/store"
)

// slowBackend stores in memory, either slowly or not at all.
type slowBackend struct {
	fileBackend // panics on unexpected calls

	mu     sync.Mutex // guards what follows
	stored []string
	fail   error
}

func slowDir(s *slowBackend) *writableDir { return &writableDir{backend: s, key: "slow"} }

func closeWriter(w *writeBuffer) error {
	return (&bufferHandle{w, OpenFlags{Write: true}}).Close(context.Background())
}

func found(bs *writeBuffers, s *slowBackend, name string) *writeBuffer {
	w, _ := bs.find(slowDir(s), name)
	return w
}

func (s *slowBackend) stat(context.Context, string) (int64, time.Time, error) {
	return 0, time.Time{}, store.ErrNotExist
}

func (s *slowBackend) put(c context.Context, name string, data []byte, gone string) error {
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

func (s *slowBackend) has() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.stored)
}

// TestCommitsInOrder checks that concurrent commits store the latest contents last, and that each
// returns only when its own contents are stored.
func TestCommitsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bs writeBuffers
		s := &slowBackend{}
		d := bs.add(&writeBuffer{dir: slowDir(s), name: "n", writers: 1, empty: true})
		var all sync.WaitGroup
		for _, text := range []string{"1", "12", "123"} {
			d.write([]byte(text), 0)
			all.Go(func() { // ends with the test
				if err := d.commit(t.Context(), true); err != nil {
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

// TestReadersOfWhatIsStored checks that a reader shares the buffer of a file that is being written,
// unless the buffer's contents are stored: close(2) returns before RELEASE arrives.
func TestReadersOfWhatIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bs writeBuffers
		s := &slowBackend{}
		d := bs.add(&writeBuffer{dir: slowDir(s), name: "n", writers: 1, empty: true})
		joined := func(want *writeBuffer) {
			t.Helper()
			if got := bs.join(slowDir(s), "n", OpenFlags{}); got != want {
				t.Errorf("a reader has %v", got)
			}
		}
		joined(d)
		d.write([]byte("1"), 0)
		joined(d)
		if err := d.commit(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		joined(nil)
		d.write([]byte("2"), 0)
		joined(d)
		if bs.join(slowDir(s), "n", OpenFlags{Write: true}) != d {
			t.Error("a second writer has its own file")
		}
		temporary := d.state()
		temporary.temporary = true
		bs.rename(slowDir(s), d, "n", temporary)
		if err := d.commit(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		joined(d) // a temporary file is never stored
	})
}

func TestCommitFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bs writeBuffers
		s := &slowBackend{fail: store.ErrUnavailable}
		d := bs.add(&writeBuffer{dir: slowDir(s), name: "n", writers: 1, empty: true})
		if err := d.commit(t.Context(), true); err != nil || len(s.has()) != 0 {
			t.Errorf("closed before anything was written: %v, stored %q", err, s.has())
		}
		d.write([]byte("text"), 0)
		if err := d.commit(t.Context(), true); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := d.commit(ctx, true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := closeWriter(d); err != nil {
			t.Errorf("contents whose commit failed are stored later: %v", err)
		}
		if found(&bs, s, "n") != nil || bs.bytesLocked() != 0 {
			t.Errorf("it is still there, %d bytes", bs.bytesLocked())
		}
	})
}

func TestBufferAccount(t *testing.T) {
	var bs writeBuffers
	s := &slowBackend{}
	d := bs.add(&writeBuffer{dir: slowDir(s), name: "n", writers: 1, data: make([]byte, 10)})
	d.write(make([]byte, 5), 20)
	other := bs.add(&writeBuffer{dir: slowDir(s), name: "temp", writers: 1, temporary: true})
	other.truncate(100)
	if bs.bytesLocked() != 125 {
		t.Errorf("%d bytes", bs.bytesLocked())
	}
	closeWriter(other) // a temporary buffer is kept
	bs.rename(slowDir(s), d, "temp", d.state())
	if found(&bs, s, "temp") != d || found(&bs, s, "n") != nil || bs.bytesLocked() != 25 {
		t.Errorf("%d bytes after a rename", bs.bytesLocked())
	}
	closeWriter(d)
	if bs.bytesLocked() != 0 || len(bs.list) != 0 {
		t.Errorf("%d bytes, %d buffers are left", bs.bytesLocked(), len(bs.list))
	}
}

func TestEditorsNames(t *testing.T) {
	for name, want := range map[string]bool{
		".x.swp": true, ".#x": true, "x~": true, "#x#": true, "4913": true, "5036": true, "sedaB3dE1": true, ".goutputstream-X": true,
		"x": false, "4914": false, "123": false, "#": false, "sedate": false, "sed": false, "x.swp": false, "a~b": false,
	} {
		if isEditorName(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
