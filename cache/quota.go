package cache

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The defaults of the quota.
const (
	quotaShare = 10       // percent of the disk
	quotaMost  = 50 << 30 // bytes
	floorShare = 5        // percent of the disk that stay free whatever the quota
)

// errNoRoom says that the quota leaves no room for a block and nothing can be
// evicted for it. The block stays in memory.
var errNoRoom = errors.New("no room in the cache")

// quota bounds the bytes that the files under Dir take (st_blocks), of all
// namespaces and processes together. Each process adds what it writes to what
// it found there and looks again before it evicts, and whenever it has filled
// a quarter of the room that it found. So up to four processes that fill a
// cache at once stay within the bound, and more exceed it only for a moment.
type quota struct {
	dir   string
	limit int64
	floor int64 // bytes to be left free on the disk
	evict func(ctx context.Context, q *quota, need int64) (used int64, err error)
	log   *slog.Logger

	wake chan struct{} // to the housekeeper: look again
	sem  chan struct{} // holds an element while this process evicts

	mu         sync.Mutex // guards all below
	used       int64      // the estimate
	unmeasured int64      // of it, what the last look may not have seen
	reserved   int64      // of that, reserved and not written yet
	room       int64      // what the last look found
	futile     time.Time  // when evicting last freed too little; not tried again for a second
}

// newQuota returns the quota that o asks for. The first look at the disk is the
// housekeeper's; until then the estimate is what this process has written.
func newQuota(o Options, evict func(context.Context, *quota, int64) (int64, error)) *quota {
	q := &quota{dir: o.Dir, limit: o.Quota, floor: o.floor, evict: evict, log: o.Log,
		wake: make(chan struct{}, 1), sem: make(chan struct{}, 1)}
	size := int64(0)
	for dir, err := o.Dir, error(syscall.ENOENT); err != nil && dir != ""; dir = parent(dir) {
		size, _, err = diskSpace(dir) // of the nearest directory that there is
	}
	if q.limit == 0 {
		q.limit = min(size/100*quotaShare, quotaMost)
	}
	if q.floor == 0 {
		q.floor = size / 100 * floorShare
	}
	q.wake <- struct{}{}
	return q
}

// parent is the directory above, or "" above the root.
func parent(dir string) string {
	if up := filepath.Dir(dir); up != dir {
		return up
	}
	return ""
}

// diskSpace returns the size of the disk and what of it this user may still fill.
func diskSpace(dir string) (size, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return int64(st.Blocks) * int64(st.Bsize), int64(st.Bavail) * int64(st.Bsize), nil
}

// wrote ends a reservation of n bytes.
func (q *quota) finish(n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.reserved -= n
}

// reserve makes room for n bytes, evicting if need be. The caller calls wrote
// when they are written or given up.
func (q *quota) reserve(ctx context.Context, n int64) error {
	if q.tryReserve(n) {
		return nil
	}
	select {
	case q.sem <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-q.sem }()
	if q.tryReserve(n) {
		return nil
	}
	if err := q.measure(ctx, n); err != nil {
		return err
	}
	if q.tryReserve(n) {
		return nil
	}
	return errNoRoom
}

// take reserves n bytes if there is room for them.
func (q *quota) tryReserve(n int64) bool {
	_, free, err := diskSpace(q.dir)
	if err != nil {
		return true // the write will tell what is wrong
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.used+n > q.limit || free-n < q.floor {
		return false
	}
	q.used += n
	q.unmeasured += n
	q.reserved += n
	if q.unmeasured > max(q.room/4, q.limit/256) {
		q.room = 4 * q.unmeasured // not again before the housekeeper has looked
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// look measures what is used and evicts if that leaves less room than need.
func (q *quota) measure(ctx context.Context, need int64) error {
	q.mu.Lock()
	before := q.unmeasured - q.reserved // surely written by now
	barren := time.Since(q.futile) < time.Second
	q.mu.Unlock()
	if barren {
		return errNoRoom
	}
	used, err := q.evict(ctx, q, need)
	if err != nil {
		return err
	}
	barren = q.excess(used, need) > 0
	q.mu.Lock()
	defer q.mu.Unlock()
	if barren {
		q.futile = time.Now()
	}
	q.unmeasured -= before
	q.used = used + q.unmeasured // what was written meanwhile may count twice
	q.room = q.limit - q.used
	return nil
}

// excess is how many bytes must go so that need fit, and a sixteenth of the
// quota with them, lest every block be an eviction.
func (q *quota) excess(used, need int64) int64 {
	over := used + need - q.limit
	if _, free, err := diskSpace(q.dir); err == nil {
		over = max(over, q.floor+need-free)
	}
	if over <= 0 {
		return 0
	}
	return over + q.limit/16
}

// keep looks whenever it is woken, until ctx ends.
func (q *quota) run(ctx context.Context) {
	for {
		select {
		case <-q.wake:
		case <-ctx.Done():
			return
		}
		select {
		case q.sem <- struct{}{}:
		case <-ctx.Done():
			return
		}
		if err := q.measure(ctx, 0); err != nil && ctx.Err() == nil && !errors.Is(err, errNoRoom) {
			q.log.Debug("look at the cache's disk", "err", err)
		}
		<-q.sem
	}
}

func (q *quota) estimate() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.used
}
