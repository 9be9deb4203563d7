package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/store"
	"thothfs/store/mem"
)

// TestStalled checks that every operation that hangs is canceled and repeated.
func TestStalled(t *testing.T) {
	for name, call := range map[string]func(context.Context, store.Store, store.Ref) error{
		mem.Read: func(ctx context.Context, s store.Store, ref store.Ref) error {
			p := make([]byte, 9)
			_, err := s.ReadAt(ctx, ref, p, 0)
			return err
		},
		mem.Get: func(ctx context.Context, s store.Store, ref store.Ref) error {
			_, _, err := s.Get(ctx, store.Ref{Key: ref.Key}, 100)
			return err
		},
		mem.Stat: func(ctx context.Context, s store.Store, ref store.Ref) error {
			_, err := s.Stat(ctx, ref.Key)
			return err
		},
		mem.List: func(ctx context.Context, s store.Store, _ store.Ref) error {
			_, err := names(s.List(ctx, "d", ""))
			return err
		},
		mem.Put: func(ctx context.Context, s store.Store, ref store.Ref) error {
			_, err := s.Put(ctx, ref, bytes.NewReader([]byte("new")), 3)
			return err
		},
		mem.Remove: func(ctx context.Context, s store.Store, ref store.Ref) error { return s.Remove(ctx, ref) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, s, ref := retried(store.RetryOptions{})
				m.Inject(mem.Fault{Op: name, Block: make(chan struct{})})
				start := time.Now()
				if err := call(t.Context(), s, ref); err != nil {
					t.Error(err)
				}
				patience := 3 * time.Second
				if name == mem.Put || name == mem.Remove {
					patience = 30 * time.Second
				}
				if took := time.Since(start); took < patience || took > patience+time.Second {
					t.Errorf("took %v, want %v", took, patience)
				}
				if m.Calls(name) != 2 {
					t.Errorf("%d calls", m.Calls(name))
				}
			})
		})
	}
}

// TestPatienceGrows checks that a store that is slow to send its first byte gets more time on
// each try.
func TestPatienceGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s, ref := retried(store.RetryOptions{})
		m.Inject(mem.Fault{Op: mem.Read, Times: mem.Always, Delay: 20 * time.Second})
		p := make([]byte, 9)
		if _, err := s.ReadAt(t.Context(), ref, p, 0); err != nil || string(p) != "some data" {
			t.Errorf("%q, %v", p, err)
		}
		if n := m.Calls(mem.Read); n != 4 { // earlier tries gave up after 3, 6 and 12 s
			t.Errorf("%d tries", n)
		}
	})
}

// piece is the number of bytes that a moving store returns at a time.
const piece = 32 << 10

// moving is a store whose reads return one piece every two seconds and stall after the first few
// pieces.
type moving struct {
	store.Store
	few   int // 0: never stalls
	tries *int
}

func (s moving) ReadAt(ctx context.Context, ref store.Ref, p []byte, off int64) (int, error) {
	*s.tries++
	for n := 0; n < len(p); n += piece {
		if s.few > 0 && n == s.few*piece {
			<-ctx.Done()
			return n, ctx.Err()
		}
		if err := sleep(ctx, 2*time.Second); err != nil {
			return n, err
		}
		if _, err := s.Store.ReadAt(ctx, ref, p[n:n+piece], off+int64(n)); err != nil {
			return n, err
		}
		store.Progress(ctx)
	}
	return len(p), nil
}

// TestSlowRead checks that a slow read is not canceled while it makes progress. A read that
// stalls continues where it stopped, any number of times, unless each try returns almost nothing.
func TestSlowRead(t *testing.T) {
	for few, want := range map[int]int{0: 1, 2: 25, 1: 8} {
		synctest.Test(t, func(t *testing.T) {
			m := mem.New()
			data := strings.Repeat("0123456789abcdef", 50*piece/16)
			ref := store.Ref{Key: "d/o", ETag: m.Set("d/o", []byte(data)).ETag}
			tries := 0
			p := make([]byte, len(data))
			_, err := store.Retry(moving{m, few, &tries}, store.RetryOptions{}).ReadAt(t.Context(), ref, p, 0)
			whole := err == nil && string(p) == data
			if whole != (few != 1) || tries > want || whole && tries < want || !whole && !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("silent after %d: %v, %v, %d tries", few, whole, err, tries)
			}
		})
	}
}

// slow is a store that sleeps before each piece of a Put, and at its end.
type slow struct {
	store.Store
	piece, end time.Duration
}

func (s slow) Put(ctx context.Context, old store.Ref, src io.ReaderAt, size int64) (store.Attr, error) {
	for off := int64(0); off < size; off += 1 << 20 {
		if err := sleep(ctx, s.piece); err != nil {
			return store.Attr{}, err
		}
		src.ReadAt(make([]byte, min(1<<20, size-off)), off)
	}
	if err := sleep(ctx, s.end); err != nil {
		return store.Attr{}, err
	}
	return s.Store.Put(ctx, old, src, size)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestLongPut checks that a Put that makes progress is not canceled, however long it takes.
func TestLongPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mem.New()
		c := store.Count(slow{m, 20 * time.Second, 33 * time.Second})
		s := store.Retry(c, store.RetryOptions{})
		start := time.Now()
		if _, err := s.Put(t.Context(), store.Ref{Key: "d/o"}, bytes.NewReader(make([]byte, 40<<20)), 40<<20); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 10*time.Minute || c.Snapshot().Put.Calls != 1 {
			t.Errorf("took %v and %d tries", took, c.Snapshot().Put.Calls)
		}
	})
}

func TestReadGoesOn(t *testing.T) {
	for _, kind := range []error{store.ErrUnavailable, store.ErrCorrupt} {
		synctest.Test(t, func(t *testing.T) {
			m, s, ref := retried(store.RetryOptions{})
			m.Inject(mem.Fault{Op: mem.Read, Times: 2, Kind: kind, Short: 3, Garbage: true})
			p := make([]byte, 12)
			n, err := s.ReadAt(t.Context(), ref, p, 0)
			if string(p[:n]) != "some data" || err != io.EOF {
				t.Errorf("%q, %v", p[:n], err)
			}
		})
	}
}
