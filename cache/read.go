package cache

import (
	"context"

	"thothfs/cache/blockfile"
)

// look is one check of which blocks of a version are cached. It opens the version's file at
// most once, and fetches of missing blocks store into that file.
type look struct {
	o       *openVersion
	changes int64 // value of o.changes when the look began
	opened  bool
	file    *blockfile.File // nil if not open or not readable
}

func (o *openVersion) look() look { return look{o: o, changes: o.changes.Load()} }

func (l *look) close() { l.o.c.disk.files.Release(l.file) }

// open returns the version's file, or nil if it cannot be read now.
func (l *look) open() *blockfile.File {
	if !l.opened {
		l.opened, l.file = true, l.o.c.disk.openFile(l.o)
	}
	return l.file
}

// readStored fills dst with the bytes of block b starting at offset from, if the block is on
// disk or in the memory that replaces a failing disk.
func (l *look) readStored(b int64, dst []byte, from int64) bool {
	c := l.o.c
	if c.memory.read(&l.o.Version, b, dst, from) {
		return true
	}
	f := l.open()
	return f != nil && c.disk.read(l.o, f, b, dst, from)
}

// read fills p with the bytes starting at off. The range must lie within the object.
func (o *openVersion) read(ctx context.Context, p []byte, off int64, why priority) (int, error) {
	l := o.look()
	defer l.close()
	missing := l.read(p, off, why)
	if len(missing) == 0 {
		return len(p), nil
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	waits, err := l.startFetches(p, off, missing, why)
	if err != nil {
		return 0, err
	}
	if pk := o.pack.Load(); pk != nil { // a pack has arrived in the meantime
		o.serveFromPack(pk)
	}
	if n, err := o.wait(ctx, waits, off); err != nil {
		return n, err
	}
	return len(p), nil
}

// holds reports whether the whole range is cached, and if so, fills p.
func (o *openVersion) holds(p []byte, off int64) bool {
	l := o.look()
	defer l.close()
	return len(l.read(p, off, prefetch)) == 0
}

// read fills p with cached data, and returns the missing blocks in spans of one request each.
func (l *look) read(p []byte, off int64, why priority) (missing []span) {
	o := l.o
	first, last := off/o.Block, (off+int64(len(p))-1)/o.Block
	misses, pk := int64(0), o.pack.Load()
	for b := first; b <= last; b++ {
		dst, from := o.part(p, off, span{b, 1})
		if pk != nil && pk.Read(dst, b*o.Block+from) || o.readInFlight(b, dst, from) || l.readStored(b, dst, from) {
			if why == demand {
				o.countUse(b, false)
			}
			continue
		}
		missing = appendBlock(missing, b, o.c.maxRun)
		misses++
	}
	if why == demand {
		o.c.n.Misses.Add(misses)
		o.c.n.Hits.Add(last - first + 1 - misses)
	}
	return missing
}

// absent returns the blocks of s that are neither cached nor in flight, in spans of at most
// limit blocks. For background, only blocks on disk count as cached.
func (l *look) absent(s span, limit int64, why priority) (spans []span) {
	o := l.o
	inFlight := make([]bool, s.n)
	o.mu.Lock()
	for i := range inFlight {
		inFlight[i] = o.fetches[s.first+int64(i)] != nil
	}
	o.mu.Unlock()
	missing := func(b int64) {
		if !inFlight[b-s.first] && (why == background || !o.c.memory.has(&o.Version, b)) {
			spans = appendBlock(spans, b, limit)
		}
	}
	f := l.open()
	if f == nil {
		for b := s.first; b < s.first+s.n; b++ {
			missing(b)
		}
	} else if err := f.MissingBlocks(s.first, s.n, missing); err != nil {
		o.c.disk.failed("read", err)
	}
	return spans
}

// readInFlight fills dst with the bytes of block b starting at offset from, if a fetch still
// holds the block in memory.
func (o *openVersion) readInFlight(b int64, dst []byte, from int64) bool {
	data, release := o.lend(b, b, b*o.Block+from, int64(len(dst)))
	if data == nil {
		return false
	}
	copy(dst, data)
	release()
	return true
}

// lend returns the n bytes at off, which lie in blocks first to last, without a copy. It
// returns nil unless a single fetch holds all of them in memory. The caller must call release.
func (o *openVersion) lend(first, last, off, n int64) (data []byte, release func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.fetches[first]
	if f == nil || f.state != filled || last >= f.span.first+f.span.n {
		return nil, nil
	}
	f.users++
	f.unread -= n
	for b := first; b <= last; b++ {
		o.recent.add(b)
	}
	return f.buf[off-f.span.first*o.Block:][:n], f.endLoan
}
