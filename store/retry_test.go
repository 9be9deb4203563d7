package store_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/store"
	"thothfs/store/mem"
)

// retried returns a Retry over a store in memory that holds one object.
func retried(o store.RetryOptions) (*mem.Store, store.Store, store.Ref) {
	m := mem.New()
	attr := m.Set("d/o", []byte("some data"))
	return m, store.Retry(m, o), store.Ref{Key: "d/o", ETag: attr.ETag}
}

// clocked records the times of Stat calls.
type clocked struct {
	store.Store
	at *[]time.Time
}

func (c clocked) Stat(ctx context.Context, key string) (store.Attr, error) {
	*c.at = append(*c.at, time.Now())
	return c.Store.Stat(ctx, key)
}

func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mem.New()
		var at []time.Time
		s := store.Retry(clocked{m, &at}, store.RetryOptions{Tries: 10, Most: 2 * time.Second})
		m.Inject(mem.Fault{Times: mem.Always, Kind: store.ErrUnavailable})
		_, err := s.Stat(t.Context(), "d/o")
		wantKind(t, err, store.ErrUnavailable)
		if len(at) != 10 {
			t.Fatalf("%d tries", len(at))
		}
		differ := false
		for i := 1; i < len(at); i++ {
			mean := min(100*time.Millisecond<<(i-1), 2*time.Second)
			got := at[i].Sub(at[i-1])
			if got < mean/2-1 || got > mean*3/2+1 {
				t.Errorf("pause %d is %v, want about %v", i, got, mean)
			}
			differ = differ || got != mean
		}
		if !differ {
			t.Error("there is no jitter")
		}
	})
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s, _ := retried(store.RetryOptions{Tries: 1000, Budget: time.Minute})
		m.Inject(mem.Fault{Times: mem.Always, Kind: store.ErrUnavailable, Delay: time.Second})
		start := time.Now()
		_, err := s.Stat(t.Context(), "d/o")
		wantKind(t, err, store.ErrUnavailable)
		if took := time.Since(start); took < 30*time.Second || took > 62*time.Second {
			t.Errorf("gave up after %v", took)
		}
	})
}

// TestRetryAfter checks that a store that requests a long pause is tried sooner at first, and
// after the requested pause later.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mem.New()
		m.Set("d/o", nil)
		var at []time.Time
		s := store.Retry(clocked{m, &at}, store.RetryOptions{})
		m.Inject(mem.Fault{Times: 4, Kind: store.ErrUnavailable, RetryAfter: 20 * time.Second})
		if _, err := s.Stat(t.Context(), "d/o"); err != nil {
			t.Error(err)
		}
		for i, want := range []time.Duration{5 * time.Second, 15 * time.Second, 20 * time.Second, 20 * time.Second} {
			if got := at[i+1].Sub(at[i]); got < want || got > want*5/4+1 {
				t.Errorf("pause %d is %v, want %v", i, got, want)
			}
		}
		m.Inject(mem.Fault{Kind: store.ErrUnavailable, RetryAfter: time.Hour})
		start := time.Now()
		_, err := s.Stat(t.Context(), "d/o")
		wantKind(t, err, store.ErrUnavailable)
		if took := time.Since(start); took != 0 {
			t.Errorf("gave up after %v, not at once", took)
		}
	})
}

// TestBusy checks that Retry does not give up after a few tries if the store says that the call
// may be repeated at once, and that the pauses stay short.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s, _ := retried(store.RetryOptions{})
		m.Inject(mem.Fault{Times: 30, Kind: store.ErrUnavailable, RetryAfter: time.Nanosecond})
		start := time.Now()
		if _, err := s.Stat(t.Context(), "d/o"); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("took %v", took)
		}
		m.Inject(mem.Fault{Times: mem.Always, Kind: store.ErrUnavailable, RetryAfter: time.Nanosecond})
		start = time.Now()
		_, err := s.Stat(t.Context(), "d/o")
		wantKind(t, err, store.ErrUnavailable)
		if took := time.Since(start); took < time.Minute || took > 3*time.Minute {
			t.Errorf("gave up after %v", took)
		}
	})
}

func TestCallersContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s, _ := retried(store.RetryOptions{})
		m.Inject(mem.Fault{Times: mem.Always, Kind: store.ErrUnavailable, RetryAfter: 10 * time.Second})

		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err := s.Stat(ctx, "d/o")
		cancel()
		wantKind(t, err, store.ErrUnavailable) // the next try would be too late
		if took := time.Since(start); took != 0 {
			t.Errorf("gave up after %v, not at once", took)
		}

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		start = time.Now()
		_, err = s.Stat(ctx, "d/o")
		wantKind(t, err, context.Canceled)
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("ended after %v", took)
		}
	})
}

// TestNotRepeated checks that only temporary errors are repeated, and ErrCorrupt only a few
// times.
func TestNotRepeated(t *testing.T) {
	for _, c := range []struct {
		kind  error
		calls int
	}{
		{store.ErrNotExist, 1}, {store.ErrPermission, 1}, {store.ErrConflict, 1}, {store.ErrStale, 1}, {store.ErrTooLarge, 1},
		{store.ErrNoSpace, 1},
		{store.ErrNotModified, 1}, {store.ErrInvalid, 1}, {store.ErrCorrupt, 3}, {store.ErrUnavailable, 8},
	} {
		synctest.Test(t, func(t *testing.T) {
			m, s, ref := retried(store.RetryOptions{})
			m.Inject(mem.Fault{Times: mem.Always, Kind: c.kind})
			_, err := s.ReadAt(t.Context(), ref, make([]byte, 4), 0)
			wantKind(t, err, c.kind)
			_, _, err = s.Get(t.Context(), ref, 100)
			wantKind(t, err, c.kind)
			if r, g := m.Calls(mem.Read), m.Calls(mem.Get); r != c.calls || g != c.calls {
				t.Errorf("%v: %d reads, %d gets, want %d", c.kind, r, g, c.calls)
			}
		})
	}
}

func names(seq iter.Seq2[store.Entry, error]) (names []string, err error) {
	for e, err := range seq {
		if err != nil {
			return names, err
		}
		names = append(names, e.Name)
	}
	return names, nil
}

func TestListGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mem.New()
		var want []string
		for i := range 100 {
			want = append(want, fmt.Sprintf("%03d", i))
			m.Set("d/"+want[i], nil)
		}
		s := store.Retry(m, store.RetryOptions{Tries: 3})
		m.Inject(mem.Fault{Op: mem.List, Times: 20, Kind: store.ErrUnavailable, Short: 5}) // more than 3, but each try makes progress
		got, err := names(s.List(t.Context(), "d", ""))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, %v", got, err)
		}
		m.Inject(mem.Fault{Op: mem.List, Times: mem.Always, Kind: store.ErrUnavailable, Short: 1})
		got, err = names(s.List(t.Context(), "d", "097"))
		if !slices.Equal(got, want[97:98]) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("never on from the last: %q, %v", got, err)
		}
		m.Heal()
		got = nil
		for e, err := range s.List(t.Context(), "d", "090") {
			if err != nil {
				t.Error(err)
			}
			got = append(got, e.Name)
			time.Sleep(time.Minute) // a slow caller is not a stalled store
		}
		if !slices.Equal(got, want[90:]) {
			t.Errorf("%q", got)
		}
	})
}

func wantKind(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("got %v, want %v", err, kind)
	}
}

// TestUnknownPut checks every way in which a Put with an unknown outcome can end.
func TestUnknownPut(t *testing.T) {
	data := []byte("new data")
	other := func(m *mem.Store) func() { return func() { m.Set("d/o", []byte("not ours")) } }
	ours := func(m *mem.Store) func() { return func() { m.Set("d/o", data) } }
	lost := mem.Fault{Op: mem.Put, Kind: store.ErrUnavailable}
	done := mem.Fault{Op: mem.Put, Kind: store.ErrUnavailable, AfterApply: true}
	down := mem.Fault{Op: mem.Stat, Kind: store.ErrUnavailable, Times: 3}
	at := func(f mem.Fault, nth int, before func()) mem.Fault { f.Nth, f.Before = nth, before; return f }
	for _, c := range []struct {
		name   string
		tries  int
		faults func(*mem.Store) []mem.Fault
		puts   int
		want   error
	}{
		{"not stored", 0, func(*mem.Store) []mem.Fault { return []mem.Fault{lost} }, 2, nil},
		{"stored", 0, func(*mem.Store) []mem.Fault { return []mem.Fault{done} }, 1, nil},
		{"stored, and the answer is long in coming", 0, func(*mem.Store) []mem.Fault { return []mem.Fault{done, down} }, 1, nil},
		{"stored by the last try", 1, func(*mem.Store) []mem.Fault { return []mem.Fault{done} }, 1, nil},
		{"not stored by the last try", 1, func(*mem.Store) []mem.Fault { return []mem.Fault{lost} }, 1, store.ErrUnavailable},
		{"stored by the first while the second is on its way", 0, func(m *mem.Store) []mem.Fault {
			return []mem.Fault{lost, {Op: mem.Put, Nth: 2, Before: ours(m)}}
		}, 2, nil},
		{"somebody else was quicker", 0, func(m *mem.Store) []mem.Fault { return []mem.Fault{at(lost, 1, other(m))} }, 1, store.ErrConflict},
		{"somebody else in between", 0, func(m *mem.Store) []mem.Fault {
			return []mem.Fault{lost, {Op: mem.Put, Nth: 2, Before: other(m)}}
		}, 2, store.ErrConflict},
		{"stored, then replaced by somebody else", 0, func(m *mem.Store) []mem.Fault {
			return []mem.Fault{done, {Op: mem.Stat, Before: other(m)}}
		}, 1, store.ErrConflict},
		{"conflict that is known", 0, func(m *mem.Store) []mem.Fault {
			return []mem.Fault{{Op: mem.Put, Before: ours(m)}}
		}, 1, store.ErrConflict},
	} {
		for _, withMD5 := range []bool{true, false} {
			for _, create := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/md5=%v/create=%v", c.name, withMD5, create), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						m := mem.New()
						old := store.Ref{Key: "d/o"}
						if !create {
							old.ETag = m.Set("d/o", []byte("old data")).ETag // the same length as the new data
						}
						if !withMD5 {
							m.HideMD5()
						}
						for _, f := range c.faults(m) {
							m.Inject(f)
						}
						attr, err := store.Retry(m, store.RetryOptions{Tries: c.tries}).Put(t.Context(), old, bytes.NewReader(data), int64(len(data)))
						checkPut(t, m, attr, err, c.want, data)
						if n := m.Calls(mem.Put); n != c.puts {
							t.Errorf("%d puts, want %d", n, c.puts)
						}
					})
				})
			}
		}
	}
}

func checkPut(t *testing.T, m *mem.Store, attr store.Attr, err, want error, data []byte) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
	if want != nil {
		return
	}
	now, statErr := m.Stat(t.Context(), "d/o")
	sum := md5.Sum(data)
	if got, _ := m.Data("d/o"); statErr != nil || attr.ETag != now.ETag || !bytes.Equal(attr.MD5, sum[:]) || !bytes.Equal(got, data) {
		t.Errorf("attr %+v, stat %+v, data %q", attr, now, got)
	}
}

func TestUnknownRemove(t *testing.T) {
	for _, after := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			m, s, ref := retried(store.RetryOptions{})
			m.Inject(mem.Fault{Op: mem.Remove, Kind: store.ErrUnavailable, AfterApply: after})
			if err := s.Remove(t.Context(), ref); err != nil {
				t.Error(err)
			}
			if keys := m.Keys(); len(keys) > 0 {
				t.Errorf("left: %q", keys)
			}
			wantKind(t, s.Remove(t.Context(), ref), store.ErrNotExist)
		})
	}
}
