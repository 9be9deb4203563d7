package fs

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"thothfs/cache"
)

const (
	slowAfter = 100 * time.Millisecond // minimum duration of a recorded read
	maxSlow   = 128                    // number of records kept
)

// slowRead is the record of a slow read, with a breakdown of its time.
type slowRead struct {
	ended time.Time
	took  time.Duration
	path  string
	off   int64
	size  int
	trace cache.Trace
	err   error
}

// slowLog keeps the most recent slow reads for .thothfs/slow.
type slowLog struct {
	mu   sync.Mutex // guards what follows
	last []slowRead // oldest first
	n    int64      // number of slow reads since the start
}

// record records a read that has just ended, if it was slow. ctx is its context and contains a
// *cache.Trace; path is called only if the read was slow.
func (s *slowLog) record(ctx context.Context, started time.Time, path func() string, off int64, size int, err error) {
	now := time.Now()
	took := now.Sub(started)
	if took < slowAfter {
		return
	}
	r := slowRead{now, took, "/" + path(), off, size, cache.Trace{}, err}
	if trace, ok := ctx.Value(cache.TraceKey).(*cache.Trace); ok {
		r.trace = *trace
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if len(s.last) == maxSlow {
		s.last = slices.Delete(s.last, 0, 1)
	}
	s.last = append(s.last, r)
}

// count returns the number of slow reads since the start.
func (s *slowLog) count() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

// text returns the records, one per line, oldest first.
func (s *slowLog) text() []byte {
	s.mu.Lock()
	last := slices.Clone(s.last)
	s.mu.Unlock()
	var b bytes.Buffer
	for _, r := range last {
		fmt.Fprintln(&b, r)
	}
	return b.Bytes()
}

func (r slowRead) String() string {
	s := fmt.Sprintf("%s %s read %d bytes at %d of %q: ", r.ended.UTC().Format("2006-01-02T15:04:05.000Z"),
		ms(r.took), r.size, r.off, r.path)
	s += r.waited()
	if r.trace.Packed > 0 {
		s += fmt.Sprintf(", %d answered by the hot pack", r.trace.Packed)
	}
	if r.trace.Hedged > 0 {
		s += fmt.Sprintf(", %d stalled and made again", r.trace.Hedged)
	}
	if r.err != nil {
		s += fmt.Sprintf(", failed: %q", r.err)
	}
	return s
}

// waited returns a description of what the read waited for.
func (r slowRead) waited() string {
	var parts []string
	if r.trace.Requests > 0 {
		parts = append(parts, fmt.Sprintf("waited for %d requests, up to %s in the queue, up to %s at the store", r.trace.Requests, ms(r.trace.Queued), ms(r.trace.Fetched)))
	}
	if r.trace.Unended > 0 {
		parts = append(parts, fmt.Sprintf("gave up waiting for %d requests that the store had not answered", r.trace.Unended))
	}
	switch {
	case len(parts) > 0:
		return strings.Join(parts, ", ")
	case r.err != nil:
		return "waited for no request"
	}
	return "everything was held"
}

func ms(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }
