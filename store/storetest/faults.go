package storetest

import (
	"fmt"
	"testing"

	"thothfs/store"
	"thothfs/store/mem"
)

// maxCalls ends a loop that would never meet a run without a fault.
const maxCalls = 10000

// AllFaults are the faults that [Faults] goes through unless told otherwise: every
// kind of error a store may come up with unasked, a read cut short with garbage
// behind it, and a write whose outcome is unknown.
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

// Faults runs a piece of work again and again, so that of the calls it makes to
// its store the first fails, then the second, and so on until a run meets no
// fault; all this for each of the faults, once transient (that one call) and
// once lasting (that call and all after it).
//
// run builds everything anew, calls arm on its store when the part begins that
// shall meet the fault, does its work, and checks what came of it. After
// [mem.Faulty.Heal] the next try must succeed, which run checks too. An error
// within a run must be allowed by the layer under test; no error at all is fine
// if the work came out right.
func Faults(t *testing.T, faults []mem.Fault, run func(t *testing.T, arm func(*mem.Faulty))) {
	t.Helper()
	for _, f := range faults {
		for _, times := range []int{1, mem.Always} {
			f.Times = times
			t.Run(name(f), func(t *testing.T) { faultLoop(t, f, run) })
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
			return // the calls after the first bad one would say the same
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
