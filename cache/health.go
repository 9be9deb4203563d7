package cache

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// A disk that failed a few times in short order is left alone; one write a
// second then finds out whether it is well, and a minute without failure is
// believed. (The rule is juicefs's.)
const (
	maxFailures  = 3
	probeEvery   = time.Second
	recoverAfter = time.Minute
)

// health says whether the disk under the cache can be relied on.
type health struct {
	log      *slog.Logger
	degraded atomic.Bool

	mu       sync.Mutex // guards all below
	failures int        // in a row, none older than convalescent
	last     time.Time  // of the failures
	probe    time.Time  // when the next write may be tried
	noReads  bool       // it was reading that failed
}

// mayWrite reports whether a write is worth trying; when degraded it admits
// one a second.
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

// mayRead reports whether blocks on disk are worth looking for: they are while
// only writing fails.
func (h *health) mayRead() bool {
	if !h.degraded.Load() {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.noReads
}

// failed takes note of an error of the disk.
func (h *health) failed(op string, err error) {
	if h.recordFailure(op, err) {
		h.log.Warn("cache disk fails, blocks stay in memory", "op", op, "err", err)
	}
}

// note returns whether the state has changed.
func (h *health) recordFailure(op string, err error) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if now.Sub(h.last) > recoverAfter && !h.degraded.Load() {
		h.failures = 0
	}
	h.failures++
	h.last, h.probe = now, now.Add(probeEvery)
	h.noReads = h.noReads || op == "read"
	if h.failures < maxFailures || h.degraded.Load() {
		return false
	}
	h.degraded.Store(true)
	return true
}

// wrote takes note of a write that worked.
func (h *health) succeeded() {
	if h.recovered() {
		h.log.Info("cache disk is well again")
	}
}

func (h *health) recovered() bool {
	if !h.degraded.Load() {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.degraded.Load() || time.Since(h.last) < recoverAfter {
		return false
	}
	h.failures, h.noReads = 0, false
	h.degraded.Store(false)
	return true
}

func (h *health) String() string {
	if h.degraded.Load() {
		return "degraded"
	}
	return "normal"
}
