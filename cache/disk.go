package cache

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
)

// useEvery is how often the time of last use of a version is written down.
const useEvery = time.Minute

// errResting is a disk that is not to be written to for now.
var errResting = errors.New("cache disk is failing")

// disk is what the cache has on disk: pairs of files under Dir, a bound on
// their bytes, and a judgement of whether the disk can be relied on.
type disk struct {
	n      *counters
	pairs  *pairs
	health *health
	quota  *quota
	told   sync.Once // that something in Dir is not private
}

// open returns o's files, or nil if there is no reading them now. The caller
// hands the pair to d.pairs.release.
func (d *disk) open(o *object) *pair {
	if !d.health.mayRead() {
		return nil
	}
	p, err := d.pairs.acquire(o)
	if err != nil {
		d.failed("open", err)
		return nil
	}
	d.use(o, p)
	return p
}

// passing are errors that say nothing about the disk: those of a moment, and
// those of one version, of impossible size or with something else in its place.
func passing(err error) bool {
	for _, e := range []error{errBusy, errForeign, ErrNotPrivate, errShut, errNoRoom, errResting, context.Canceled, syscall.EFBIG, syscall.ELOOP, syscall.EISDIR} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// failed counts an error of the disk.
func (d *disk) failed(op string, err error) {
	if errors.Is(err, ErrNotPrivate) {
		d.told.Do(func() { d.health.log.Warn("not cached on disk (told once)", "err", err) })
	}
	if passing(err) {
		return
	}
	d.n.diskErrors.Add(1)
	d.health.failed(op, err)
}

// use notes that o is in use now, and opens its files anew the next time if
// somebody has unlinked them: else the disk would fill with files without names.
func (d *disk) use(o *object, p *pair) {
	now := time.Now()
	last := o.touched.Load()
	if now.UnixNano()-last < int64(useEvery) || !o.touched.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	path := d.pairs.path(o.name()) + ".map"
	if !isAt(p.records, path) {
		d.pairs.drop(o)
		return
	}
	if st, err := p.records.Stat(); err == nil && now.Sub(st.ModTime()).Abs() < useEvery {
		return // by an earlier handle, or another process
	}
	_ = os.Chtimes(path, now, now) // a wrong order of eviction is no fault
}

// read fills dst from offset from of block b on, if it is on disk.
func (d *disk) read(o *object, p *pair, b int64, dst []byte, from int64) bool {
	a, err := p.read(&o.version, b, dst, from)
	if err != nil {
		d.failed("read", err)
	}
	d.judge(o, b, a)
	if a == held {
		o.mark(b)
	}
	return a == held
}

// judge counts a block that was damaged.
func (d *disk) judge(o *object, b int64, a answer) {
	if a == corrupt {
		d.n.corrupt.Add(1)
		if !o.damaged.Swap(true) {
			d.health.log.Warn("damaged block in the cache, fetching it again (told once)", "key", o.ref.Key, "block", b)
		}
	}
}

// store writes the blocks in buf, from first on. When it returns an error they
// may or may not be on disk.
func (d *disk) store(ctx context.Context, o *object, first int64, buf []byte) error {
	if !d.health.mayWrite() {
		return errResting
	}
	err := d.write(ctx, o, first, buf)
	if err == nil {
		d.health.wrote()
		return nil
	}
	d.failed("write", err)
	return err
}

// storePages is store for pages of block b from first on.
func (d *disk) storePages(ctx context.Context, o *object, b, first int64, data []byte) error {
	if !d.health.mayWrite() {
		return errResting
	}
	err := d.writePages(ctx, o, b, first, data)
	if err == nil {
		d.health.wrote()
		return nil
	}
	d.failed("write", err)
	return err
}

func (d *disk) writePages(ctx context.Context, o *object, b, first int64, data []byte) error {
	cost := recordSize(o.block) + (int64(len(data))+page-1)/page*page
	if err := d.quota.reserve(ctx, cost); err != nil {
		return err
	}
	defer d.quota.wrote(cost)
	p, err := d.pairs.acquire(o)
	if err != nil {
		return err
	}
	defer d.pairs.release(p)
	o.mark(b)
	return p.writePages(&o.version, b, first, data)
}

func (d *disk) write(ctx context.Context, o *object, first int64, buf []byte) error {
	cost := o.cost(buf)
	if err := d.quota.reserve(ctx, cost); err != nil {
		return err
	}
	defer d.quota.wrote(cost)
	p, err := d.pairs.acquire(o)
	if err != nil {
		return err
	}
	defer d.pairs.release(p)
	if err := p.write(&o.version, first, buf); err != nil {
		return err
	}
	for b := first; b < first+(int64(len(buf))+o.block-1)/o.block; b++ {
		o.mark(b)
	}
	return nil
}

// cost is an upper bound of the bytes that the blocks in buf take on disk.
func (v *version) cost(buf []byte) int64 {
	n := int64(0)
	for ; len(buf) > 0; buf = buf[min(v.block, int64(len(buf))):] {
		n += recordSize(v.block)
		if b := buf[:min(v.block, int64(len(buf)))]; !isZero(b) {
			n += (int64(len(b)) + page - 1) / page * page
		}
	}
	return n
}

// held is what the data file of v takes on disk.
func (d *disk) held(v *version) int64 {
	st, err := os.Stat(d.pairs.path(v.name()) + ".data")
	if err != nil {
		return 0
	}
	return diskBytes(st)
}

// onDisk is one object's files for the length of a read, opened when they are needed.
type onDisk struct {
	o      *object
	pair   *pair
	opened bool
}

// read fills dst from offset from of block b on, if it is on disk.
func (r *onDisk) read(b int64, dst []byte, from int64) bool {
	if !r.opened {
		r.opened, r.pair = true, r.o.c.disk.open(r.o)
	}
	return r.pair != nil && r.o.c.disk.read(r.o, r.pair, b, dst, from)
}

func (r *onDisk) release() {
	if r.pair != nil {
		r.o.c.disk.pairs.release(r.pair)
	}
}
