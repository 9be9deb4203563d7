package output

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	var p pace
	at := time.Unix(1000, 0)
	if got := p.text(5, 10, true, at); got != "" {
		t.Errorf("before it began: %q", got)
	}
	const mib = 1 << 20
	p.set(100*mib, at) // an interrupted run had done that
	p.set(110*mib, at.Add(time.Second/2))
	for _, c := range []struct {
		done, total int64
		after       time.Duration
		bytes       bool
		want        string
	}{
		{110 * mib, 200 * mib, time.Second / 2, true, ""},
		{120 * mib, 200 * mib, 2 * time.Second, true, " 10.0 MiB/s 0:08 left"},
		{120 * mib, 200 * mib, 2 * time.Second, false, " 0:08 left"},
		{100 * mib, 200 * mib, time.Hour, true, ""},
		{101 * mib, 5000 * mib, 2 * time.Second, false, " 2:43:18 left"},
		{101 * mib, 1 << 60, time.Hour, true, " 291.0 b/s"},
	} {
		if got := p.text(c.done, c.total, c.bytes, at.Add(c.after)); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
	p.set(0, at.Add(time.Hour)) // the bytes are sent again
	if got := p.text(mib, 2*mib, true, at.Add(time.Hour+time.Second)); got != " 1.0 MiB/s 0:01 left" {
		t.Errorf("%q", got)
	}
}
