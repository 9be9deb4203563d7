package testenv

import (
	"testing"
)

// outcome is a testing.TB that records whether a test was skipped or failed.
type outcome struct {
	testing.TB
	skipped, failed bool
}

func (o *outcome) Helper()               {}
func (o *outcome) Skipf(string, ...any)  { o.skipped = true }
func (o *outcome) Fatalf(string, ...any) { o.failed = true }

func TestNeedTools(t *testing.T) {
	t.Setenv("CI", "")
	var o outcome
	NeedTools(&o, "go")
	if o.skipped || o.failed {
		t.Error("go is there")
	}
	NeedTools(&o, "no-such-program")
	if !o.skipped || o.failed {
		t.Errorf("%+v", o)
	}
	t.Setenv("CI", "true")
	o = outcome{}
	NeedTools(&o, "no-such-program")
	if !o.failed {
		t.Errorf("in CI: %+v", o)
	}
}

func TestEventually(t *testing.T) {
	n := 0
	Eventually(t, "three calls", func() bool { n++; return n == 3 })
	if n != 3 {
		t.Error(n)
	}
}
