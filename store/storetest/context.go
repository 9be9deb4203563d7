package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"thothfs/store"
)

func (s *suite) context(t *testing.T) {
	t.Run("cancelled before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s.deadContext(t, ctx, context.Canceled)
	})
	t.Run("expired before", func(t *testing.T) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		s.deadContext(t, ctx, context.DeadlineExceeded)
	})
	t.Run("cancelled in mid-call", s.cancelledPut)
}

// deadContext makes every call with a context that is already done.
func (s *suite) deadContext(t *testing.T, ctx context.Context, want error) {
	st := s.open(t)
	o := create(t, st, "d/o", "data")
	p := make([]byte, 4)
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"ReadAt", func() error { _, err := st.ReadAt(ctx, o.ref(), p, 0); return err }},
		{"Get", func() error { _, _, err := st.Get(ctx, store.Ref{Key: o.key}, 100); return err }},
		{"Stat", func() error { _, err := st.Stat(ctx, o.key); return err }},
		{"List", func() error { return firstError(st.List(ctx, "d", "")) }},
		{"create", func() error {
			_, err := st.Put(ctx, store.Ref{Key: "new/n"}, bytes.NewReader(p), 4)
			return err
		}},
		{"replace", func() error { _, err := st.Put(ctx, o.ref(), bytes.NewReader(p), 4); return err }},
		{"Remove", func() error { return st.Remove(ctx, o.ref()) }},
	} {
		if err := c.call(); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", c.name, err, want)
		}
	}
	wantAbsent(t, st, "new/n")
	s.wantAttr(t, wantData(t, st, o.key, "data"), o)
}

func firstError(seq func(func(store.Entry, error) bool)) (failed error) {
	for _, err := range seq {
		if err != nil {
			failed = err
		}
	}
	return failed
}

// calling is a source that calls a function when the given offset is first read.
type calling struct {
	io.ReaderAt
	at   int64
	call func()
}

func (c calling) ReadAt(p []byte, off int64) (int, error) {
	if off <= c.at && c.at < off+int64(len(p)) {
		c.call()
	}
	return c.ReaderAt.ReadAt(p, off)
}

func (s *suite) cancelledPut(t *testing.T) {
	st := s.open(t)
	old := create(t, st, "d/old", "data")
	src := stream{size: s.f.Big, seed: 3}
	for _, ref := range []store.Ref{{Key: "d/new"}, old.ref()} {
		ctx, cancel := context.WithCancel(t.Context())
		attr, err := st.Put(ctx, ref, calling{src, s.f.Big / 2, cancel}, s.f.Big)
		cancel()
		if err == nil { // completed before the cancellation, so the object must be complete
			wantStream(t, st, store.Ref{Key: ref.Key, ETag: attr.ETag}, src, s.f.Big)
			continue
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%q: %v", ref.Key, err)
		}
		now, err := st.Stat(t.Context(), ref.Key)
		switch {
		case ref.ETag == "" && errors.Is(err, store.ErrNotExist):
		case err == nil && now.ETag == ref.ETag:
		case err == nil && now.Size == s.f.Big:
		default:
			t.Errorf("%q: neither as before nor whole: %+v, %v", ref.Key, now, err)
		}
	}
}
