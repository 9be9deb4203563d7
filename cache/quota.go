package cache

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sys/unix"

	"thothfs/cache/blockfile"
)

// The defaults of the quota.
const (
	quotaShare = 10       // percent of the disk
	quotaMost  = 50 << 30 // bytes
	floorShare = 5        // percent of the disk kept free regardless of the quota
)

// errNoRoom means that the quota has no room for a block and nothing can be evicted.
var errNoRoom = errors.New("no room in the cache")

// quota bounds the disk space (st_blocks) of the files under Dir, for all namespaces and
// processes together. Each process adds what it writes to what it last measured. It measures
// again before it evicts, and whenever it has filled a quarter of the room that it measured. So
// up to four processes that fill a cache at the same time stay within the bound, and more
// exceed it only briefly.
type quota struct {
	dir     string
	limit   int64
	floor   int64 // bytes to leave free on the disk
	evictor *blockfile.Evictor
	log     *slog.Logger

	wake      chan struct{}       // triggers a measurement by run
	measuring *semaphore.Weighted // held while this process measures and evicts

	mu         sync.Mutex // guards the fields below
	used       int64      // estimated bytes in use
	unmeasured int64      // part of used that the last measurement may have missed
	reserved   int64      // part of unmeasured that has not been written yet
	room       int64      // free bytes at the last measurement
	futile     time.Time  // when an eviction last freed too little
}

// newQuota returns the quota for o. It leaves the first measurement to run.
func newQuota(o Options, evictor *blockfile.Evictor) *quota {
	q := &quota{dir: o.Dir, floor: o.floor, evictor: evictor, log: o.Log,
		wake: make(chan struct{}, 1), measuring: semaphore.NewWeighted(1)}
	var floor int64
	q.limit, floor = limits(o.Dir, o.Quota)
	if q.floor == 0 {
		q.floor = floor
	}
	q.wake <- struct{}{}
	return q
}

// limits returns the number of bytes that may be used in dir, quota unless that is 0, and the number that is
// left free on its disk.
func limits(dir string, quota int64) (limit, floor int64) {
	size, _, err := diskSpace(dir)
	for err != nil && dir != filepath.Dir(dir) { // the nearest directory that exists
		dir = filepath.Dir(dir)
		size, _, err = diskSpace(dir)
	}
	if limit = quota; limit == 0 {
		limit = min(size/100*quotaShare, quotaMost)
	}
	return limit, size / 100 * floorShare
}

// diskSpace returns the size of the disk and the free space on it that this user may fill.
func diskSpace(dir string) (size, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return int64(st.Blocks) * int64(st.Bsize), int64(st.Bavail) * int64(st.Bsize), nil
}

// reserve makes room for n bytes, by eviction if necessary. The caller must call endReservation
// when the bytes have been written or given up.
func (q *quota) reserve(ctx context.Context, n int64) error {
	if q.tryReserve(n) {
		return nil
	}
	if err := q.measuring.Acquire(ctx, 1); err != nil {
		return err
	}
	defer q.measuring.Release(1)
	if q.tryReserve(n) {
		return nil
	}
	if err := q.measure(ctx, n); err != nil {
		return err
	}
	if !q.tryReserve(n) {
		return errNoRoom
	}
	return nil
}

func (q *quota) endReservation(n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.reserved -= n
}

// tryReserve reserves n bytes if there is room for them.
func (q *quota) tryReserve(n int64) bool {
	_, free, err := diskSpace(q.dir)
	if err != nil {
		return true // the write will report the error
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
		q.room = 4 * q.unmeasured // do not wake run again before it has measured
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// measure measures the space in use and evicts if less than need bytes are left. For a second
// after an eviction that freed too little, it only returns errNoRoom. The caller must hold
// measuring.
func (q *quota) measure(ctx context.Context, need int64) error {
	q.mu.Lock()
	written := q.unmeasured - q.reserved
	futile := time.Since(q.futile) < time.Second
	q.mu.Unlock()
	if futile {
		return errNoRoom
	}
	used, err := q.evictor.Run(ctx, func(used int64) int64 { return q.excess(used, need) })
	if err != nil {
		return err
	}
	futile = q.excess(used, need) > 0
	q.mu.Lock()
	defer q.mu.Unlock()
	if futile {
		q.futile = time.Now()
	}
	q.unmeasured -= written
	q.used = used + q.unmeasured // bytes written in the meantime may count twice
	q.room = q.limit - q.used
	return nil
}

// excess returns how many bytes to evict so that need bytes fit, plus 1/16 of the quota, so
// that not every block causes an eviction.
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

// run measures whenever it is woken, until ctx is done.
func (q *quota) run(ctx context.Context) {
	for {
		select {
		case <-q.wake:
		case <-ctx.Done():
			return
		}
		if q.measuring.Acquire(ctx, 1) != nil {
			return
		}
		if err := q.measure(ctx, 0); err != nil && ctx.Err() == nil && !errors.Is(err, errNoRoom) {
			q.log.Debug("cannot measure the cache", "err", err)
		}
		q.measuring.Release(1)
	}
}

func (q *quota) estimate() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.used
}
