package corpus

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/store"
	"thothfs/store/mem"
)

// slowStore takes a second to return a large document, and records the maximum number of bytes that
// it may have been returning at once.
type slowStore struct {
	store.Store
	mu        sync.Mutex // guards the fields below
	now, most int64
}

func (s *slowStore) Get(ctx context.Context, known store.Ref, limit int64) ([]byte, store.Attr, error) {
	s.add(limit)
	defer s.add(-limit)
	if limit > large {
		time.Sleep(time.Second) // in the bubble, this waits for all goroutines
	}
	return s.Store.Get(ctx, known, limit)
}

func (s *slowStore) add(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now += n
	s.most = max(s.most, s.now)
}

// TestLargeDocumentsAreReadFewAtATime checks that only a few large documents are read at a time,
// which limits the memory, and that small documents take one request.
func TestLargeDocumentsAreReadFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many, small, size = 40, 200, large + 1
		s := mem.New()
		for i := range many + small {
			doc := info(ident(i), "cmd", "", 1)
			if i < many {
				doc = bytes.Replace(doc, []byte(`"cmd"`), []byte(`"filler": "`+strings.Repeat("x", size)+`", "cmd"`), 1)
			}
			s.Set(infoKey(ident(i)), doc)
		}
		slow := &slowStore{Store: s}
		c := open(t, options(t, slow))
		before := s.Calls(mem.Get)
		sync1(t, c)
		wantCount(t, c, "cmd=cmd", many+small)
		if n := s.Calls(mem.Get) - before; n > 2*many+small+2 { // includes looking for the change log
			t.Errorf("%d requests", n)
		}
		if bound := int64(inFlight*large + largeAtOnce*maxInfo); slow.most > bound || slow.most < largeAtOnce*maxInfo {
			t.Errorf("%d bytes on the way at once, want %d at most", slow.most, bound)
		}
		d, err := c.Cached(t.Context(), ident(3))
		if err != nil || d.Size < size || d.Damage != "" {
			t.Errorf("%v, %v", d, err)
		}
	})
}

// TestLargeDocumentsInterrupted checks that a canceled run ends promptly even while large documents
// are waiting.
func TestLargeDocumentsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		for i := range 2 * inFlight {
			s.Set(infoKey(ident(i)), append(info(ident(i), "cmd", "", 1), bytes.Repeat([]byte(" "), large)...))
		}
		c := open(t, options(t, &slowStore{Store: s}))
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		began := time.Now()
		if err := c.Sync(ctx, nil); err == nil || ctx.Err() == nil {
			t.Errorf("%v", err)
		}
		if d := time.Since(began); d > 3*time.Second { // in bubble time
			t.Errorf("it went on for %v", d)
		}
		sync1(t, c)
		wantCount(t, c, "", 2*inFlight)
	})
}
