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
const touchEvery = time.Minute

// errResting is a disk that is not to be written to for now.
var errDegraded = errors.New("cache disk is failing")

// disk is what the cache has on disk: pairs of files under Dir, a bound on
// their bytes, and a judgement of whether the disk can be relied on.
type disk struct {
	n                *counters
	files            *filePool
	health           *health
	quota            *quota
	notPrivateLogged sync.Once // that something in Dir is not private
}

// open returns o's files, or nil if there is no reading them now. The caller
// hands the pair to d.pairs.release.
func (d *disk) openFile(o *object) *blockFile {
	if !d.health.mayRead() {
		return nil
	}
	p, err := d.files.acquire(o)
	if err != nil {
		d.failed("open", err)
		return nil
	}
	d.touch(o, p)
	return p
}

// passing are errors that say nothing about the disk: those of a moment, and
// those of one version, of impossible size or with something else in its place.
func isTransient(err error) bool {
	for _, e := range []error{errBusy, errForeign, ErrNotPrivate, errClosed, errNoRoom, errDegraded, context.Canceled, syscall.EFBIG, syscall.ELOOP, syscall.EISDIR} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// failed counts an error of the disk.
func (d *disk) failed(op string, err error) {
	if errors.Is(err, ErrNotPrivate) {
		d.notPrivateLogged.Do(func() { d.health.log.Warn("not cached on disk (told once)", "err", err) })
	}
	if isTransient(err) {
		return
	}
	d.n.diskErrors.Add(1)
	d.health.failed(op, err)
}

// use notes that o is in use now, and opens its files anew the next time if
// somebody has unlinked them: else the disk would fill with files without names.
func (d *disk) touch(o *object, p *blockFile) {
	now := time.Now()
	last := o.lastTouch.Load()
	if now.UnixNano()-last < int64(touchEvery) || !o.lastTouch.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	path := d.files.path(o.name()) + ".map"
	if !isAt(p.blockMap, path) {
		d.files.drop(o)
		return
	}
	if st, err := p.blockMap.Stat(); err == nil && now.Sub(st.ModTime()).Abs() < touchEvery {
		return // by an earlier handle, or another process
	}
	_ = os.Chtimes(path, now, now) // a wrong order of eviction is no fault
}

// read fills dst from offset from of block b on, if it is on disk.
func (d *disk) read(o *object, p *blockFile, b int64, dst []byte, from int64) bool {
	a, err := p.read(&o.version, b, dst, from)
	if err != nil {
		d.failed("read", err)
	}
	d.countDamage(o, b, a)
	if a == intact {
		o.markRead(b)
	}
	return a == intact
}

// judge counts a block that was damaged.
func (d *disk) countDamage(o *object, b int64, a blockStatus) {
	if a == corrupt {
		d.n.corrupt.Add(1)
		if !o.damageLogged.Swap(true) {
			d.health.log.Warn("damaged block in the cache, fetching it again (told once)", "key", o.ref.Key, "block", b)
		}
	}
}

// store writes the blocks in buf, from first on. When it returns an error they
// may or may not be on disk.
func (d *disk) store(ctx context.Context, o *object, first int64, buf []byte) error {
	if !d.health.mayWrite() {
		return errDegraded
	}
	err := d.write(ctx, o, first, buf)
	if err == nil {
		d.health.succeeded()
		return nil
	}
	d.failed("write", err)
	return err
}

// storePages is store for pages of block b from first on.
func (d *disk) storePages(ctx context.Context, o *object, b, first int64, data []byte) error {
	if !d.health.mayWrite() {
		return errDegraded
	}
	err := d.writePages(ctx, o, b, first, data)
	if err == nil {
		d.health.succeeded()
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
	defer d.quota.finish(cost)
	p, err := d.files.acquire(o)
	if err != nil {
		return err
	}
	defer d.files.release(p)
	o.markRead(b)
	return p.writePages(&o.version, b, first, data)
}

func (d *disk) write(ctx context.Context, o *object, first int64, buf []byte) error {
	cost := o.cost(buf)
	if err := d.quota.reserve(ctx, cost); err != nil {
		return err
	}
	defer d.quota.finish(cost)
	p, err := d.files.acquire(o)
	if err != nil {
		return err
	}
	defer d.files.release(p)
	if err := p.write(&o.version, first, buf); err != nil {
		return err
	}
	for b := first; b < first+(int64(len(buf))+o.block-1)/o.block; b++ {
		o.markRead(b)
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
func (d *disk) usage(v *version) int64 {
	st, err := os.Stat(d.files.path(v.name()) + ".data")
	if err != nil {
		return 0
	}
	return diskBytes(st)
}

// onDisk is one object's files for the length of a read, opened when they are needed.
type diskReader struct {
	o      *object
	file   *blockFile
	opened bool
}

// read fills dst from offset from of block b on, if it is on disk.
func (r *diskReader) read(b int64, dst []byte, from int64) bool {
	if !r.opened {
		r.opened, r.file = true, r.o.c.disk.openFile(r.o)
	}
	return r.file != nil && r.o.c.disk.read(r.o, r.file, b, dst, from)
}

func (r *diskReader) release() {
	if r.file != nil {
		r.o.c.disk.files.release(r.file)
	}
}
