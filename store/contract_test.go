package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"thothfs/store"
	"thothfs/store/dir"
	"thothfs/store/mem"
	"thothfs/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick retries many times with short pauses.
var quick = store.RetryOptions{Tries: 40, First: time.Microsecond, Most: time.Millisecond}

func TestContract(t *testing.T) {
	inDir := storetest.Features{NoDotNames: true, NoLongNames: true, NoMD5: true, Entries: 300}
	for _, c := range []struct {
		name string
		open func(t *testing.T) store.Store
		f    storetest.Features
	}{
		{"retry of mem", func(*testing.T) store.Store { return store.Retry(mem.New(), quick) }, storetest.Features{}},
		{"count of mem", func(*testing.T) store.Store { return store.Count(mem.New()) }, storetest.Features{}},
		{"retry of dir", func(t *testing.T) store.Store { return store.Retry(openDir(t), quick) }, inDir},
		{"retry of count of unreliable", func(*testing.T) store.Store {
			return store.Retry(store.Count(&unreliable{Store: mem.New()}), quick)
		}, storetest.Features{}},
		{"retry of unreliable without MD5", func(*testing.T) store.Store {
			m := mem.New()
			m.HideMD5()
			return store.Retry(&unreliable{Store: m}, quick)
		}, storetest.Features{NoMD5: true, Entries: 300}},
	} {
		t.Run(c.name, func(t *testing.T) { storetest.Run(t, c.open, c.f) })
	}
}

func openDir(t *testing.T) *dir.Store {
	t.Helper()
	s, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// unreliable fails every third read-only call. Writes with an unknown outcome have their own
// tests: in a race their result is less definite than the contract requires.
type unreliable struct {
	store.Store
	n atomic.Int64
}

func (u *unreliable) fails(op, key string) error {
	if u.n.Add(1)%3 == 0 {
		return &store.Error{Op: op, Key: key, Kind: store.ErrUnavailable}
	}
	return nil
}

func (u *unreliable) ReadAt(ctx context.Context, ref store.Ref, p []byte, off int64) (int, error) {
	if err := u.fails("read", ref.Key); err != nil {
		n, _ := u.Store.ReadAt(ctx, ref, p[:len(p)/2], off)
		clear(p[n:])
		return n, err
	}
	return u.Store.ReadAt(ctx, ref, p, off)
}

func (u *unreliable) Get(ctx context.Context, ref store.Ref, limit int64) ([]byte, store.Attr, error) {
	if err := u.fails("get", ref.Key); err != nil {
		return nil, store.Attr{}, err
	}
	return u.Store.Get(ctx, ref, limit)
}

func (u *unreliable) Stat(ctx context.Context, key string) (store.Attr, error) {
	if err := u.fails("stat", key); err != nil {
		return store.Attr{}, err
	}
	return u.Store.Stat(ctx, key)
}

func (u *unreliable) List(ctx context.Context, dir, from string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		n := 0
		for e, err := range u.Store.List(ctx, dir, from) {
			if n++; err == nil && n%100 == 0 {
				err = u.fails("list", dir)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func TestCount(t *testing.T) {
	m := mem.New()
	c := store.Count(m)
	ctx := t.Context()
	attr, err := c.Put(ctx, store.Ref{Key: "d/o"}, bytes.NewReader([]byte("data")), 4)
	if err != nil {
		t.Fatal(err)
	}
	ref := store.Ref{Key: "d/o", ETag: attr.ETag}
	c.Put(ctx, store.Ref{Key: "d/o"}, bytes.NewReader(nil), 0)
	c.ReadAt(ctx, ref, make([]byte, 3), 0)
	c.ReadAt(ctx, ref, make([]byte, 3), 3)
	c.Get(ctx, ref, 10)
	c.Get(ctx, store.Ref{Key: "d/o"}, 10)
	c.Stat(ctx, "absent")
	for range c.List(ctx, "d", "") {
		break
	}
	for range c.List(ctx, "absent", "") {
	}
	c.Remove(ctx, ref)
	want := store.Counts{
		Put: store.OpCounts{Calls: 2, Errors: 1, Bytes: 4}, Read: store.OpCounts{Calls: 2, Bytes: 4}, Get: store.OpCounts{Calls: 2, Bytes: 4},
		Stat: store.OpCounts{Calls: 1, Errors: 1}, List: store.OpCounts{Calls: 2, Errors: 1}, Remove: store.OpCounts{Calls: 1},
	}
	if got := c.Snapshot(); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got, want := want.Total(), (store.OpCounts{Calls: 10, Errors: 3, Bytes: 12}); got != want {
		t.Errorf("total %+v, want %+v", got, want)
	}
}

func TestAsLocal(t *testing.T) {
	d := openDir(t)
	if l, ok := store.AsLocal(store.Retry(store.Count(d), quick)); !ok || l != store.Local(d) {
		t.Errorf("behind decorators: %v, %v", l, ok)
	}
	if _, ok := store.AsLocal(store.Retry(mem.New(), quick)); ok {
		t.Error("memory is not local files")
	}
}

func TestError(t *testing.T) {
	e := &store.Error{Op: "get", Key: "a/b", Kind: store.ErrUnavailable, RequestID: "r1", Err: io.ErrUnexpectedEOF}
	if got, want := e.Error(), "get a/b: store unavailable: unexpected EOF (request r1)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !errors.Is(e, store.ErrUnavailable) || !errors.Is(e, io.ErrUnexpectedEOF) || store.Kind(e) != store.ErrUnavailable {
		t.Error("kind or cause is not found")
	}
}

// TestRetryFaults creates, replaces, reads and removes an object, with each call failing in turn
// in every way.
func TestRetryFaults(t *testing.T) {
	o := store.RetryOptions{Tries: 4, First: time.Microsecond, Most: time.Microsecond}
	faults := []mem.Fault{
		{Kind: store.ErrUnavailable}, {Kind: store.ErrUnavailable, Short: 2, Garbage: true},
		{Kind: store.ErrUnavailable, AfterApply: true}, {Kind: store.ErrCorrupt, Short: 2, Garbage: true}, {Kind: store.ErrPermission},
	}
	storetest.Faults(t, faults, func(t *testing.T, arm func(*mem.Faulty)) {
		m := mem.New()
		s := store.Retry(m, o)
		arm(m.Faulty)
		err := life(t, s)
		if n := m.Faults(); n == 1 && err != nil && !errors.Is(err, store.ErrPermission) {
			t.Errorf("one fault was too many: %v", err)
		}
		if err != nil && !errors.Is(err, store.ErrPermission) && !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("unexpected error: %v", err)
		}
		m.Heal()
		m.Delete("d")
		if err := life(t, s); err != nil {
			t.Errorf("healed: %v", err)
		}
	})
}

func life(t *testing.T, s store.Store) error {
	ctx := t.Context()
	one, err := s.Put(ctx, store.Ref{Key: "d/o"}, bytes.NewReader([]byte("version one")), 11)
	if err != nil {
		return err
	}
	two, err := s.Put(ctx, store.Ref{Key: "d/o", ETag: one.ETag}, bytes.NewReader([]byte("version two")), 11)
	if err != nil {
		return err
	}
	ref := store.Ref{Key: "d/o", ETag: two.ETag}
	p := make([]byte, 11)
	if _, err := s.ReadAt(ctx, ref, p, 0); err != nil {
		return err
	} else if string(p) != "version two" {
		t.Errorf("read %q", p)
	}
	data, attr, err := s.Get(ctx, store.Ref{Key: "d/o"}, 100)
	if err != nil {
		return err
	} else if string(data) != "version two" || attr.ETag != two.ETag {
		t.Errorf("got %q, %+v", data, attr)
	}
	var names []string
	for e, err := range s.List(ctx, "d", "") {
		if err != nil {
			return err
		}
		names = append(names, e.Name)
	}
	if !slices.Equal(names, []string{"o"}) {
		t.Errorf("listed %q", names)
	}
	if err := s.Remove(ctx, ref); err != nil {
		return err
	}
	if _, err := s.Stat(ctx, "d/o"); !errors.Is(err, store.ErrNotExist) {
		return err
	}
	return nil
}
