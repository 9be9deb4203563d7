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

// slowBackend stores in memory, slowly or not at all.
type slowBackend struct {
	fileBackend // panics where a test does not expect a call

	mu     sync.Mutex // guards what follows
	stored []string
	fail   error
}

func (s *slowBackend) key() string { return "slow" }

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

// Of two closes at the same time the later contents are stored last, and each returns when
// its own are stored.
func TestCommitsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bs writeBuffers
		s := &slowBackend{}
		d := bs.create(s, "n", true, newBuffer{created: true})
		var all sync.WaitGroup
		for _, text := range []string{"1", "12", "123"} {
			bs.write(d, []byte(text), 0)
			all.Go(func() { // ends with the test
				if err := bs.commit(t.Context(), d, true); err != nil {
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

// A reader shares the buffer of a file that is being written, but not one whose contents
// are stored: close(2) returns before RELEASE arrives.
func TestReadersOfWhatIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bs writeBuffers
		s := &slowBackend{}
		d := bs.create(s, "n", true, newBuffer{created: true})
		joined := func(want *writeBuffer) {
			t.Helper()
			if got := bs.join(s, "n", OpenFlags{}); got != want {
				t.Errorf("a reader has %v", got)
			}
		}
		joined(d)
		bs.write(d, []byte("1"), 0)
		joined(d)
		if err := bs.commit(t.Context(), d, true); err != nil {
			t.Fatal(err)
		}
		joined(nil)
		bs.write(d, []byte("2"), 0)
		joined(d)
		if bs.join(s, "n", OpenFlags{Write: true}) != d {
			t.Error("a second writer has its own file")
		}
		bs.renameTemporary(d, "n", "")
		if err := bs.commit(t.Context(), d, true); err != nil {
			t.Fatal(err)
		}
		joined(d) // a temporary file is never stored
	})
}

func TestCommitFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bs writeBuffers
		s := &slowBackend{fail: store.ErrUnavailable}
		d := bs.create(s, "n", true, newBuffer{created: true})
		if err := bs.commit(t.Context(), d, true); err != nil || len(s.has()) != 0 {
			t.Errorf("closed before anything was written: %v, stored %q", err, s.has())
		}
		bs.write(d, []byte("text"), 0)
		if err := bs.commit(t.Context(), d, true); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := bs.commit(ctx, d, true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if bs.closeWriter(d) {
			t.Error("contents whose commit failed are stored later")
		}
		if bs.find(s, "n") != nil || bs.bytes != 0 {
			t.Errorf("it is still there, %d bytes", bs.bytes)
		}
	})
}

func TestBufferAccount(t *testing.T) {
	var bs writeBuffers
	s := &slowBackend{}
	d := bs.create(s, "n", true, newBuffer{data: make([]byte, 10)})
	bs.write(d, make([]byte, 5), 20)
	other := bs.create(s, "temp", true, newBuffer{temporary: true})
	bs.truncate(other, 100)
	if bs.bytes != 125 {
		t.Errorf("%d bytes", bs.bytes)
	}
	bs.closeWriter(other) // a temporary one stays
	bs.renameStored(d, "temp", bs.state(d))
	if bs.find(s, "temp") != d || bs.find(s, "n") != nil || bs.bytes != 25 {
		t.Errorf("%d bytes after a rename", bs.bytes)
	}
	bs.closeWriter(d)
	if bs.bytes != 0 || len(bs.named) != 0 {
		t.Errorf("%d bytes, %d buffers are left", bs.bytes, len(bs.named))
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
