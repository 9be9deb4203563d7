package cache

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// The disk counts as failing after maxFailures failures in quick succession. Then one write per
// second is tried, and the disk has recovered after a minute without a failure. JuiceFS uses
// the same rule.
const (
	maxFailures  = 3
	probeEvery   = time.Second
	recoverAfter = time.Minute
)

// health decides whether the cache uses its disk.
type health struct {
	log      *slog.Logger
	degraded atomic.Bool

	mu         sync.Mutex // guards the fields below
	failures   int        // failures, each within recoverAfter of the one before
	last       time.Time  // time of the last failure
	probe      time.Time  // when the next write may be tried
	readFailed bool
}

// mayWrite reports whether to try a write.
func (h *health) mayWrite() bool {
	if !h.degraded.Load() {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if now.Before(h.probe) {
		return false
	}
	h.probe = now.Add(probeEvery)
	return true
}

// mayRead reports whether to look for blocks on disk. It returns true while only writes fail.
func (h *health) mayRead() bool {
	if !h.degraded.Load() {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.readFailed
}

// failed records a disk error.
func (h *health) failed(op string, err error) {
	h.mu.Lock()
	now := time.Now()
	degraded := h.degraded.Load()
	if now.Sub(h.last) > recoverAfter && !degraded {
		h.failures = 0
	}
	h.failures++
	h.last, h.probe = now, now.Add(probeEvery)
	h.readFailed = h.readFailed || op == "read"
	changed := h.failures >= maxFailures && !degraded
	if changed {
		h.degraded.Store(true)
	}
	h.mu.Unlock()
	if changed {
		h.log.Warn("cache disk fails, blocks stay in memory", "op", op, "err", err)
	}
}

// succeeded records a successful write.
func (h *health) succeeded() {
	if !h.degraded.Load() {
		return
	}
	h.mu.Lock()
	changed := h.degraded.Load() && time.Since(h.last) >= recoverAfter
	if changed {
		h.failures, h.readFailed = 0, false
		h.degraded.Store(false)
	}
	h.mu.Unlock()
	if changed {
		h.log.Info("cache disk works again")
	}
}

func (h *health) String() string {
	if h.degraded.Load() {
		return "degraded"
	}
	return "normal"
}
