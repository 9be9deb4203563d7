package store

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"io"
	"time"
)

// finishing is the minimum rate in bytes/s at which a store is assumed to sync or verify the
// received data at the end of a Put.
const finishing = 8 << 20

// putting is a Put in progress, possibly over several tries.
type putting struct {
	r    *retrier
	s    *schedule
	old  Ref
	src  io.ReaderAt
	size int64
	sum  []byte // MD5 of src; nil until needed
	// unknown reports whether an earlier try may have stored the object, or may still do so.
	unknown bool
}

func (r *retrier) Put(ctx context.Context, old Ref, src io.ReaderAt, size int64) (Attr, error) {
	p := &putting{r: r, s: newSchedule(&r.o), old: old, src: src, size: size}
	for {
		attr, err := p.step(ctx)
		if err == nil {
			return attr, nil
		}
		if err = p.s.wait(ctx, err); err != nil {
			return p.giveUp(ctx, err)
		}
	}
}

// step makes one try, after checking the outcome of earlier ones.
func (p *putting) step(ctx context.Context) (Attr, error) {
	if p.unknown {
		attr, stored, err := p.readBack(ctx)
		if stored || err != nil {
			return attr, err
		}
	}
	attr, err := p.try(ctx)
	if errors.Is(err, ErrUnavailable) {
		p.unknown = true
	}
	if p.unknown && errors.Is(err, ErrConflict) { // perhaps caused by our own earlier try
		attr, stored, failed := p.readBack(ctx)
		if stored || failed != nil {
			return attr, failed
		}
	}
	return attr, err
}

func (p *putting) try(ctx context.Context) (Attr, error) {
	stall := p.r.o.LongStall
	return attempt(ctx, call{"put", p.old.Key}, stall, func(ctx context.Context, w *watchdog) (Attr, error) {
		src := watched{src: p.src, size: p.size, w: w, last: stall + time.Duration(p.size/finishing)*time.Second}
		return p.r.Store.Put(ctx, p.old, src, p.size)
	})
}

// giveUp checks once more whether the object was stored.
func (p *putting) giveUp(ctx context.Context, err error) (Attr, error) {
	if p.unknown && errors.Is(err, ErrUnavailable) && ctx.Err() == nil {
		if attr, stored, _ := p.readBack(ctx); stored {
			return attr, nil
		}
	}
	return Attr{}, err
}

// readBack determines what is stored: our object (stored is true), the old version or something
// that the next try will report (stored is false and err is nil), or something else
// (ErrConflict).
func (p *putting) readBack(ctx context.Context) (attr Attr, stored bool, err error) {
	attr, err = attempt(ctx, call{"stat", p.old.Key}, p.s.patience, func(ctx context.Context, _ *watchdog) (Attr, error) {
		return p.r.Store.Stat(ctx, p.old.Key)
	})
	if errors.Is(err, ErrNotExist) {
		attr, err = Attr{}, nil
	}
	if err != nil || attr.Dir || attr.ETag == p.old.ETag {
		return Attr{}, false, err
	}
	same, err := p.same(ctx, &attr)
	if err == nil && !same {
		err = &Error{Op: "put", Key: p.old.Key, Kind: ErrConflict, Err: ErrUnknownOutcome}
	}
	return attr, same, err
}

// same reports whether attr belongs to an object with the content of src. It fills in the MD5
// if the store does not know it.
func (p *putting) same(ctx context.Context, attr *Attr) (bool, error) {
	if attr.Size != p.size {
		return false, nil
	}
	var err error
	if p.sum == nil {
		if p.sum, err = sumOf(ctx, p.src.ReadAt, p.size); err != nil {
			return false, err
		}
	}
	if attr.MD5 == nil {
		ref := Ref{Key: p.old.Key, ETag: attr.ETag}
		attr.MD5, err = sumOf(ctx, func(b []byte, off int64) (int, error) { return p.r.ReadAt(ctx, ref, b, off) }, p.size)
		if errors.Is(err, ErrStale) || errors.Is(err, ErrNotExist) {
			return false, nil
		}
	}
	return bytes.Equal(attr.MD5, p.sum), err
}

// sumOf returns the MD5 of the first size bytes that readAt reads.
func sumOf(ctx context.Context, readAt func([]byte, int64) (int, error), size int64) ([]byte, error) {
	sum := md5.New()
	buf := make([]byte, min(size, 1<<20))
	for off := int64(0); off < size; off += int64(len(buf)) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		buf = buf[:min(int64(len(buf)), size-off)]
		n, err := readAt(buf, off)
		if n < len(buf) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		sum.Write(buf)
	}
	return sum.Sum(nil), nil
}

func (r *retrier) Remove(ctx context.Context, ref Ref) error {
	s := newSchedule(&r.o)
	s.patience = r.o.LongStall
	unknown := false
	_, err := again(ctx, s, call{"remove", ref.Key}, func(ctx context.Context) (struct{}, error) {
		err := r.Store.Remove(ctx, ref)
		if unknown && errors.Is(err, ErrNotExist) {
			err = nil
		}
		unknown = unknown || err != nil // a failed try may have removed it
		return struct{}{}, err
	})
	return err
}
