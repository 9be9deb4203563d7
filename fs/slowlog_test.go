package fs

import (
	"context"
	"strings"
	"testing"
	"time"

	"thothfs/cache"
)

func TestSlowIsBounded(t *testing.T) {
	var s slowLog
	traced := context.WithValue(t.Context(), cache.TraceKey, &cache.Trace{Requests: 2, Queued: time.Second, Fetched: 2 * time.Second, Hedged: 1, Packed: 1})
	begun := time.Now().Add(-time.Hour)
	path := func() string { return "by-hash/x/core\x1b[2J" }
	s.record(t.Context(), time.Now(), path, 0, 1, nil) // too quick to be recorded
	for i := range int64(maxSlow + 10) {
		s.record(traced, begun, path, i, 1, context.DeadlineExceeded)
	}
	s.record(t.Context(), begun, path, 8888, 1, context.DeadlineExceeded)
	s.record(t.Context(), begun, path, 7777, 1, nil)
	lines := strings.Split(strings.TrimSpace(string(s.text())), "\n")
	if len(lines) != maxSlow || s.count() != maxSlow+12 {
		t.Errorf("%d lines, %d counted", len(lines), s.count())
	}
	if want := ` at 12 of "/by-hash/x/core\x1b[2J": waited for 2 requests, up to 1000 ms in the queue, up to 2000 ms at the store, 1 answered by the hot pack, 1 stalled and made again, failed: "context deadline exceeded"`; !strings.HasSuffix(lines[0], want) {
		t.Errorf("%q, want %q at its end", lines[0], want)
	}
	if want := ` at 8888 of "/by-hash/x/core\x1b[2J": waited for no request, failed: "context deadline exceeded"`; !strings.HasSuffix(lines[maxSlow-2], want) {
		t.Errorf("%q", lines[maxSlow-2])
	}
	if want := ` at 7777 of "/by-hash/x/core\x1b[2J": everything was held`; !strings.HasSuffix(lines[maxSlow-1], want) {
		t.Errorf("%q", lines[maxSlow-1])
	}
}
