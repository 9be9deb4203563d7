package cache

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"thothfs/cache/blockfile"
	"thothfs/cache/cachedir"
)

// touchEvery is the interval at which a version's time of last use is written.
const touchEvery = time.Minute

var errDegraded = errors.New("cache disk is failing")

// disk combines the files under Dir, their quota, and the health of the disk.
type disk struct {
	n          *counters
	files      *blockfile.Pool
	health     *health
	quota      *quota
	notPrivate sync.Once // guards logging that something in Dir is not private
}

// isTransient reports whether err says nothing about the health of the disk: it concerns a
// single moment, or a single version with an impossible size or with something else at its
// path.
func isTransient(err error) bool {
	return isAny(err, blockfile.ErrBusy, blockfile.ErrForeign, blockfile.ErrClosed, cachedir.ErrNotPrivate, errNoRoom,
		errDegraded, context.Canceled, syscall.EFBIG, syscall.ELOOP, syscall.EISDIR)
}

func isAny(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// openFile returns o's file, or nil if it cannot be read now. The caller must release the file.
func (d *disk) openFile(o *openVersion) *blockfile.File {
	if !d.health.mayRead() {
		return nil
	}
	f, err := d.files.Acquire(&o.Version)
	if err != nil {
		d.failed("open", err)
		return nil
	}
	now := time.Now()
	last := o.lastTouch.Load()
	if now.UnixNano()-last >= int64(touchEvery) && o.lastTouch.CompareAndSwap(last, now.UnixNano()) && !f.Touch(now, touchEvery) {
		o.Drop() // do not let unlinked files fill the disk
	}
	return f
}

// failed counts a disk error.
func (d *disk) failed(op string, err error) {
	if errors.Is(err, cachedir.ErrNotPrivate) {
		d.notPrivate.Do(func() { d.health.log.Warn("not cached on disk (logged once)", "err", err) })
	}
	if !isTransient(err) {
		d.n.DiskErrors.Add(1)
		d.health.failed(op, err)
	}
}

// read fills dst with the bytes of block b starting at offset from, if the block is on disk.
func (d *disk) read(o *openVersion, f *blockfile.File, b int64, dst []byte, from int64) bool {
	status, err := f.Read(b, dst, from)
	if err != nil {
		d.failed("read", err)
	}
	d.countDamage(o, b, status)
	if status == blockfile.Intact {
		o.recent.add(b)
	}
	return status == blockfile.Intact
}

func (d *disk) countDamage(o *openVersion, b int64, status blockfile.Status) {
	if status == blockfile.Corrupt {
		d.n.Corrupt.Add(1)
		if !o.damageLogged.Swap(true) {
			d.health.log.Warn("damaged block in the cache, fetching it again (logged once)", "key", o.Ref.Key, "block", b)
		}
	}
}

// store calls write to store blocks of o, which take at most cost bytes on disk. It passes f to
// write, or o's file if f is nil. If it returns an error, the blocks may or may not be on disk.
func (d *disk) store(ctx context.Context, o *openVersion, f *blockfile.File, cost int64, write func(*blockfile.File) error) error {
	if !d.health.mayWrite() {
		return errDegraded
	}
	err := d.quota.reserve(ctx, cost)
	if err == nil {
		defer d.quota.endReservation(cost)
		if f == nil {
			if f, err = d.files.Acquire(&o.Version); err == nil {
				defer d.files.Release(f)
			}
		}
	}
	if err == nil {
		err = write(f)
	}
	if err != nil {
		d.failed("write", err)
		return err
	}
	d.health.succeeded()
	return nil
}

// storeBlocks stores the blocks of a fetch on disk, or in memory if that fails.
func (c *Cache) storeBlocks(ctx context.Context, f *fetch, buf []byte) {
	o, first := f.o, f.span.first
	err := c.disk.store(ctx, o, f.file, o.MaxCost(buf), func(file *blockfile.File) error { return file.Write(first, buf) })
	if err != nil {
		c.memory.add(&o.Version, first, buf)
		return
	}
	for b := first; b < first+f.span.n; b++ {
		o.recent.add(b)
	}
}

// storePages stores the pages of block b starting with first, on disk, or in memory if that
// fails.
func (c *Cache) storePages(ctx context.Context, o *openVersion, b, first int64, data []byte) {
	o.recent.add(b)
	err := c.disk.store(ctx, o, nil, o.MaxPagesCost(int64(len(data))), func(file *blockfile.File) error { return file.WritePages(b, first, data) })
	if err != nil {
		c.memory.addPages(&o.Version, b, first, data)
	}
}
