package mem_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thothfs/store"
	"thothfs/store/mem"
	"thothfs/store/storetest"
)

// outcomes calls Stat n times and returns the numbers of the calls that failed.
func outcomes(t *testing.T, s store.Store, key string, n int) (failed []int) {
	for i := 1; i <= n; i++ {
		if _, err := s.Stat(t.Context(), key); err != nil {
			failed = append(failed, i)
		}
	}
	return failed
}

func TestWhichCallFails(t *testing.T) {
	for _, c := range []struct {
		fault mem.Fault
		want  []int
	}{
		{mem.Fault{}, []int{1}},
		{mem.Fault{Nth: 3}, []int{3}},
		{mem.Fault{Nth: 2, Times: 2}, []int{2, 3}},
		{mem.Fault{Nth: 4, Times: mem.Always}, []int{4, 5}},
		{mem.Fault{Op: mem.Stat}, []int{1}},
		{mem.Fault{Op: mem.Get}, nil},
		{mem.Fault{Key: "d/o"}, []int{1}},
		{mem.Fault{Key: "d/other"}, nil},
		{mem.Fault{Nth: 9}, nil},
	} {
		m := mem.New()
		m.Set("d/o", nil)
		c.fault.Kind = store.ErrUnavailable
		m.Inject(c.fault)
		if got := outcomes(t, m, "d/o", 5); !slices.Equal(got, c.want) {
			t.Errorf("%+v: calls %v fail, want %v", c.fault, got, c.want)
		}
		if m.Faults() != len(c.want) || m.Calls(mem.Stat) != 5 || m.Calls("") != 5 {
			t.Errorf("%d faults, %d calls", m.Faults(), m.Calls(""))
		}
		m.Heal()
		if got := outcomes(t, m, "d/o", 2); got != nil {
			t.Errorf("healed: %v", got)
		}
	}
}

func TestFaultyRead(t *testing.T) {
	m := mem.New()
	ref := store.Ref{Key: "d/o", ETag: m.Set("d/o", []byte("0123456789")).ETag}
	cause := errors.New("cut")
	m.Inject(mem.Fault{Op: mem.Read, Kind: store.ErrUnavailable, Err: cause, RetryAfter: time.Second, Short: 4, Garbage: true})
	p := make([]byte, 10)
	n, err := m.ReadAt(t.Context(), ref, p, 0)
	var e *store.Error
	if !errors.As(err, &e) || e.Kind != store.ErrUnavailable || e.RetryAfter != time.Second || !errors.Is(err, cause) {
		t.Errorf("error %v", err)
	}
	if string(p[:n]) != "0123" || bytes.Contains(p, []byte("456")) {
		t.Errorf("%d bytes: %q", n, p)
	}
}

func TestFaultyList(t *testing.T) {
	m := mem.New()
	for i := range 5 {
		m.Set(fmt.Sprint("d/", i), nil)
	}
	m.Inject(mem.Fault{Op: mem.List, Kind: store.ErrUnavailable, Short: 3})
	n := 0
	var failed error
	for _, err := range m.List(t.Context(), "d", "") {
		if failed = err; err == nil {
			n++
		}
	}
	if n != 3 || !errors.Is(failed, store.ErrUnavailable) {
		t.Errorf("%d entries, %v", n, failed)
	}
}

func TestFaultyWrites(t *testing.T) {
	for _, after := range []bool{true, false} {
		m := mem.New()
		ref := store.Ref{Key: "d/old", ETag: m.Set("d/old", nil).ETag}
		m.Inject(mem.Fault{Times: 2, Kind: store.ErrUnavailable, AfterApply: after})
		_, putErr := m.Put(t.Context(), store.Ref{Key: "d/new"}, bytes.NewReader([]byte("x")), 1)
		removeErr := m.Remove(t.Context(), ref)
		if !errors.Is(putErr, store.ErrUnavailable) || !errors.Is(removeErr, store.ErrUnavailable) {
			t.Errorf("%v, %v", putErr, removeErr)
		}
		want := map[bool][]string{true: {"d/new"}, false: {"d/old"}}[after]
		if got := m.Keys(); !slices.Equal(got, want) {
			t.Errorf("applied %v: %q", after, got)
		}
	}
}

func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mem.New()
		release := make(chan struct{})
		m.Inject(mem.Fault{Delay: time.Minute})
		m.Inject(mem.Fault{Nth: 2, Block: release})
		m.Inject(mem.Fault{Nth: 3, Block: make(chan struct{})})
		start := time.Now()
		m.Stat(t.Context(), "")
		if took := time.Since(start); took != time.Minute {
			t.Errorf("delayed by %v", took)
		}
		time.AfterFunc(time.Hour, func() { close(release) })
		if _, err := m.Stat(t.Context(), ""); err != nil || time.Since(start) != time.Hour+time.Minute {
			t.Errorf("released after %v, %v", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := m.Stat(ctx, ""); err != context.DeadlineExceeded {
			t.Errorf("never released: %v", err)
		}
	})
}

func TestBehindTheBack(t *testing.T) {
	m := mem.New()
	one := m.Set("d/e/o", []byte("one"))
	when := time.Date(2013, 5, 22, 0, 0, 0, 0, time.UTC)
	two := m.SetTime("d/e/o", []byte("two"), when)
	if one.ETag == two.ETag || !two.ModTime.Equal(when) {
		t.Errorf("%+v, %+v", one, two)
	}
	if data, ok := m.Data("d/e/o"); !ok || string(data) != "two" {
		t.Errorf("%q, %v", data, ok)
	}
	m.Delete("d")
	m.Delete("d")
	if _, ok := m.Data("d/e/o"); ok || len(m.Keys()) > 0 || m.Calls("") != 0 {
		t.Error("deleted, but still there, or counted")
	}
	if _, err := m.Stat(t.Context(), "d/e"); !errors.Is(err, store.ErrNotExist) {
		t.Error(err)
	}
}

// TestFaultLoop checks that the loop makes every call fail once in each way, and then stops.
func TestFaultLoop(t *testing.T) {
	var mu sync.Mutex // guards runs
	runs := map[string]int{}
	faults := []mem.Fault{{Kind: store.ErrUnavailable}, {Op: mem.Get, Kind: store.ErrCorrupt}}
	t.Run("all", func(t *testing.T) { // returns when the parallel tests in it have ended
		storetest.Faults(t, faults, func(t *testing.T, arm func(*mem.Faulty)) {
			m := mem.New()
			m.Set("d/o", []byte("x"))
			arm(m.Faulty)
			_, err1 := m.Stat(t.Context(), "d/o")
			_, _, err2 := m.Get(t.Context(), store.Ref{Key: "d/o"}, 10)
			_, err3 := m.Stat(t.Context(), "d")
			mu.Lock()
			defer mu.Unlock()
			runs[fmt.Sprint(err1 != nil, err2 != nil, err3 != nil)]++
		})
	})
	want := map[string]int{
		"true false false": 1, "false true false": 2, "false false true": 2, // transient, then permanent starting with the last call
		"true true true": 1, "false true true": 1, "false false false": 4,
	}
	want["false true false"]++ // the get, permanently
	if fmt.Sprint(runs) != fmt.Sprint(want) {
		t.Errorf("runs %v, want %v", runs, want)
	}
}
