package cache

import (
	"context"
	"fmt"
	"io"
	iofs "io/fs"
	"sync"

	"thothfs/cache/blockfile"
	"thothfs/store"
)

// maxSize is the largest size of an object.
const maxSize = 1 << 62

// File is an open handle on one version of one object. Handles on the same version share
// blocks and fetches, but each has its own read-ahead. It is safe for concurrent use.
type File struct {
	o *openVersion

	mu      sync.Mutex // guards the fields below; taken before openVersion.mu
	streams streams
	closed  bool
}

// ReadAt behaves like io.ReaderAt: it returns fewer than len(p) bytes only with an error, and
// io.EOF at the end. It waits for blocks that are not in the cache, and returns ctx.Err()
// immediately if ctx is done while it waits; it returns cached data even after ctx is done.
// After an error, p may contain garbage beyond n.
//
// ReadAt returns an error from the Source unchanged, and the next read tries again. The error
// is store.ErrCorrupt if the Source returns fewer bytes than the size of the object implies,
// store.ErrInvalid for a ref without an ETag or a negative offset or size, and fs.ErrClosed
// after the handle or the cache is closed. A closed cache still serves data in memory.
func (f *File) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if f.o.Ref.ETag == "" || off < 0 || f.o.Size < 0 || f.o.Size > maxSize {
		return 0, &store.Error{Op: "read", Key: f.o.Ref.Key, Kind: store.ErrInvalid,
			Err: fmt.Errorf("version %q, offset %d, size %d", f.o.Ref.ETag, off, f.o.Size)}
	}
	if off >= f.o.Size {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	inside := p[:min(int64(len(p)), f.o.Size-off)]
	if !f.startRead(off, int64(len(inside))) {
		return 0, fmt.Errorf("read %s: %w", f.o.Ref.Key, iofs.ErrClosed)
	}
	defer f.o.release()
	n, err := f.read(ctx, inside, off)
	if err == nil && len(inside) < len(p) {
		err = io.EOF
	}
	return n, err
}

// read implements ReadAt within the object, after startRead.
func (f *File) read(ctx context.Context, p []byte, off int64) (n int, err error) {
	if len(p) > 0 {
		n, err = f.o.read(ctx, p, off, demand)
	}
	f.o.c.n.BytesRead.Add(int64(n))
	return n, err
}

// Lend is a zero-copy ReadAt: it returns the bytes in p or in memory owned by the cache. The
// caller must not modify them, and must call release exactly once if the error is nil or
// io.EOF.
func (f *File) Lend(ctx context.Context, p []byte, off int64) (data []byte, release func(), err error) {
	if n := int64(len(p)); n > 0 && off >= 0 && n <= f.o.Size-off && f.startRead(off, n) {
		defer f.o.release()
		first, last := off/f.o.Block, (off+n-1)/f.o.Block
		if data, release = f.o.lend(first, last, off, n); data == nil {
			n, err := f.read(ctx, p, off)
			return p[:n], func() {}, err
		}
		f.o.c.n.BytesRead.Add(n)
		f.o.c.n.Hits.Add(last - first + 1)
		for b := first; b <= last; b++ {
			f.o.countUse(b, false)
		}
		return data, release, nil
	}
	n, err := f.ReadAt(ctx, p, off)
	return p[:n], func() {}, err
}

// startRead takes a reference for a read and starts read-ahead. It returns false if the
// handle is closed.
func (f *File) startRead(off, n int64) bool {
	f.mu.Lock()
	if f.closed || !f.o.retain() {
		f.mu.Unlock()
		return false
	}
	if n == 0 {
		f.mu.Unlock()
		return true
	}
	s, from, to, drop := f.streams.record(off, n)
	proven, size := s.proven(), s.requestSize()
	f.mu.Unlock()
	f.o.dropAhead(drop...)
	if !proven {
		f.o.history.Load().addRead(off, n)
	}
	if from < to {
		f.readAhead(s, span{from / f.o.Block, (to - from) / f.o.Block}, size)
	}
	return true
}

// IsComplete reports whether the whole version is on the local disk, so that reads do not ask the
// Source.
func (f *File) IsComplete() bool { return f.o.plausible() && f.o.isComplete() }

// Warm waits until everything that is prefetched when the version is first opened has arrived
// or has been given up.
func (f *File) Warm(ctx context.Context) error {
	f.o.c.mu.Lock()
	w := f.o.warmup
	f.o.c.mu.Unlock()
	if w == nil {
		return nil
	}
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Cached returns the number of bytes of the version that are in blocks on disk.
func (f *File) Cached() int64 {
	file := f.o.c.disk.openFile(f.o)
	if file == nil {
		return 0
	}
	defer f.o.c.disk.files.Release(file)
	missing, err := file.MissingBytes()
	if err != nil {
		return 0
	}
	return f.o.Size - missing
}

// Expect sets the expected MD5 of the whole version, 16 bytes; a value of any other length is
// ignored. It is checked when the version is complete, so it is best set right after Open.
func (f *File) Expect(md5 []byte) {
	if len(md5) == len(blockfile.Digest{}) {
		sum := blockfile.Digest(md5)
		f.o.expected.Store(&sum)
	}
}

// Close releases the handle and drops its read-ahead. Reads in progress continue.
func (f *File) Close() error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return iofs.ErrClosed
	}
	f.closed = true
	drop := f.streams.reset()
	f.mu.Unlock()
	f.o.dropAhead(drop...)
	f.o.c.closeHandle(f.o)
	f.o.release()
	return nil
}
