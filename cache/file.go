package cache

import (
	"context"
	"fmt"
	"io"
	iofs "io/fs"
	"slices"
	"sync"

	"thothfs/store"
)

// maxSize is the largest size of an object that is believed.
const maxSize = 1 << 62

// File is an open handle on one version of one object. Handles on the same
// version share blocks and fetches; each watches its own reads for a sequence.
// It is safe for concurrent use.
type File struct {
	o *object

	mu     sync.Mutex // guards all below; taken before object.mu
	stream stream
	ahead  []*flight // read-ahead of this handle, under way or lately landed
	closed bool
}

// Size returns the size of the object in bytes, as given to [Cache.Open].
func (f *File) Size() int64 { return f.o.size }

// ReadAt reads by the rules of io.ReaderAt: fewer than len(p) bytes only with an
// error, io.EOF at the end. It waits for blocks that are not held, and returns
// ctx.Err() at once when ctx ends while it waits; whatever is held is returned
// even then. After an error p may hold garbage beyond n.
//
// An error of the Source is returned as it is, and the next read asks again. A
// Source that returns fewer bytes than the size of the object promises is
// store.ErrCorrupt. A ref without an ETag, or a negative offset or size, is
// store.ErrInvalid. After Close, of the handle or the cache, it is
// fs.ErrClosed; a closed cache still serves what is in memory.
func (f *File) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if f.o.ref.ETag == "" || off < 0 || f.o.size < 0 || f.o.size > maxSize {
		return 0, &store.Error{Op: "read", Key: f.o.ref.Key, Kind: store.ErrInvalid,
			Err: fmt.Errorf("version %q, offset %d, size %d", f.o.ref.ETag, off, f.o.size)}
	}
	if off >= f.o.size {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), f.o.size-off)]
	if !f.begin(off, int64(len(want))) {
		return 0, fmt.Errorf("read %s: %w", f.o.ref.Key, iofs.ErrClosed)
	}
	defer f.o.release()
	n, err := 0, error(nil)
	if len(want) > 0 {
		n, err = f.o.read(ctx, want, off)
	}
	f.o.c.n.bytesRead.Add(int64(n))
	if err == nil && len(want) < len(p) {
		err = io.EOF
	}
	return n, err
}

// begin takes a reference for a read, and reads ahead.
func (f *File) begin(off, n int64) bool {
	f.mu.Lock()
	if f.closed || !f.o.retain() {
		f.mu.Unlock()
		return false
	}
	from, to, broken := int64(0), int64(0), false
	if n > 0 {
		from, to, broken = f.stream.note(off, n)
	}
	var drop []*flight
	if broken {
		drop, f.ahead = f.ahead, nil
	}
	f.mu.Unlock()
	f.o.dropAhead(drop)
	if from < to {
		f.readAhead(span{from / f.o.block, (to - from) / f.o.block})
	}
	return true
}

// readAhead begins to fetch what is missing of s, as far as there is room for
// it now.
func (f *File) readAhead(s span) {
	o, c := f.o, f.o.c
	var begun []*flight
	dropped := int64(0)
	for _, run := range o.absent(s) {
		_, n := c.buffers.class(o.bytes(run.first, run.n))
		if !c.gate.tryEnter(n) {
			dropped += run.n
			continue
		}
		fl := o.beginAhead(run)
		if fl == nil {
			c.gate.leave()
			c.gate.free(n)
			continue
		}
		c.n.readAhead.Add(run.n)
		begun = append(begun, fl)
	}
	c.n.aheadDropped.Add(dropped)
	f.keepAhead(begun, dropped > 0)
}

// beginAhead starts a flight of read-ahead unless one of its blocks is under
// way already.
func (o *object) beginAhead(s span) *flight {
	o.mu.Lock()
	defer o.mu.Unlock()
	for b := s.first; b < s.first+s.n; b++ {
		if o.flights[b] != nil {
			return nil
		}
	}
	f, err := o.beginLocked(s, false)
	if err != nil {
		return nil
	}
	f.ahead = 1
	return f
}

// keepAhead remembers what to drop on Close, and forgets what is over.
func (f *File) keepAhead(begun []*flight, shrink bool) {
	f.mu.Lock()
	if shrink {
		f.stream.shrink()
	}
	closed := f.closed
	if !closed {
		f.o.mu.Lock()
		f.ahead = slices.DeleteFunc(f.ahead, func(fl *flight) bool { return fl.state == over })
		f.o.mu.Unlock()
		f.ahead = append(f.ahead, begun...)
	}
	f.mu.Unlock()
	if closed {
		f.o.dropAhead(begun)
	}
}

// Close releases the handle and drops its read-ahead. Reads in progress go on.
func (f *File) Close() error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return iofs.ErrClosed
	}
	f.closed = true
	drop := f.ahead
	f.ahead = nil
	f.mu.Unlock()
	f.o.dropAhead(drop)
	f.o.release()
	return nil
}
