package storetest

import (
	"fmt"
	"testing"

	"thothfs/store"
	"thothfs/store/mem"
)

// maxCalls bounds the number of runs in case every run has a fault.
const maxCalls = 10000

// AllFaults returns the default faults of [Faults]: every kind of error that a store may return
// on its own, a read that ends early followed by garbage, and a write with an unknown outcome.
func AllFaults() []mem.Fault {
	return []mem.Fault{
		{Kind: store.ErrUnavailable},
		{Kind: store.ErrUnavailable, Short: 1, Garbage: true},
		{Kind: store.ErrUnavailable, AfterApply: true},
		{Kind: store.ErrCorrupt, Garbage: true},
		{Kind: store.ErrPermission},
		{Op: mem.Put, Kind: store.ErrNoSpace},
		{Kind: store.ErrNotExist},
	}
}

// Faults calls run repeatedly. In the first run the first call to the store fails, in the next
// run the second call, and so on until a run has no fault. This is done for each fault, once
// transient (one call fails) and once permanent (that call and all later ones fail).
//
// The faults are tested in parallel. run builds everything from scratch, calls arm on its store before the part to be tested, does
// its work, and checks the result. It also checks that the next try succeeds after
// [mem.Faulty.Heal]. An error within a run must be one that the layer under test may return; no
// error is fine if the result is right.
func Faults(t *testing.T, faults []mem.Fault, run func(t *testing.T, arm func(*mem.Faulty))) {
	t.Helper()
	for _, f := range faults {
		for _, times := range []int{1, mem.Always} {
			fault := f
			fault.Times = times
			t.Run(name(fault), func(t *testing.T) {
				t.Parallel()
				faultLoop(t, fault, run)
			})
		}
	}
}

func faultLoop(t *testing.T, f mem.Fault, run func(t *testing.T, arm func(*mem.Faulty))) {
	for f.Nth = 1; ; f.Nth++ {
		var armed *mem.Faulty
		before := 0
		ok := t.Run(fmt.Sprintf("call %d", f.Nth), func(t *testing.T) {
			run(t, func(s *mem.Faulty) {
				armed, before = s, s.Faults()
				s.Inject(f)
			})
		})
		switch {
		case !ok:
			return // later calls would fail in the same way
		case armed == nil:
			t.Fatal("run did not call arm")
		case armed.Faults() == before:
			return
		case f.Nth == maxCalls:
			t.Fatalf("still a fault at call %d", f.Nth)
		}
	}
}

func name(f mem.Fault) string {
	s := f.Kind.Error()
	if f.Op != "" {
		s = f.Op + " " + s
	}
	if f.Short > 0 {
		s += " short"
	}
	if f.AfterApply {
		s += " after the fact"
	}
	if f.Times == 1 {
		return s + " once"
	}
	return s + " lasting"
}
