package corpus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"thothfs/dump"
	"thothfs/store"
)

// looks remembers when documents were last compared with the store, since most
// looks find nothing and are not worth a transaction; and which are being compared.
type looks struct {
	mu       sync.Mutex // guards what follows
	at       map[dump.ID]time.Time
	underway map[dump.ID]*look
}

// look is one comparison that several callers may wait for.
type look struct {
	done chan struct{} // closed when dump and err are there
	dump *Dump
	err  error
}

// maxLooks bounds what is remembered.
const maxLooks = 8192

func newLooks() *looks {
	return &looks{at: map[dump.ID]time.Time{}, underway: map[dump.ID]*look{}}
}

func (l *looks) last(id dump.ID) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at[id]
}

func (l *looks) set(id dump.ID, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.at) >= maxLooks {
		clear(l.at)
	}
	l.at[id] = at
}

// join returns the look at id that is under way, or begins one: then the caller does
// it and calls leave.
func (l *looks) join(id dump.ID) (k *look, mine bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k = l.underway[id]; k != nil {
		return k, false
	}
	k = &look{done: make(chan struct{})}
	l.underway[id] = k
	return k, true
}

func (l *looks) leave(id dump.ID, k *look) {
	l.mu.Lock()
	delete(l.underway, id)
	l.mu.Unlock()
	close(k.done)
}

// Dump returns a dump with a document that is at most AttrTimeout old: if need be the
// store is asked, in one round trip. A new version is noted, and told to subscribers,
// at once. While the store is unavailable it is what the catalogue knows. A dump that
// is not there, or whose document is not, is store.ErrNotExist.
func (c *Corpus) Dump(ctx context.Context, id dump.ID) (*Dump, error) {
	for {
		known, err := c.cat.dump(ctx, id)
		if err != nil {
			return nil, err
		}
		if c.current(id, known) {
			return orNotExist(known, id)
		}
		k, mine := c.looks.join(id)
		if mine {
			k.dump, k.err = c.ask(ctx, id, known)
			c.looks.leave(id, k)
			return k.dump, k.err
		}
		select {
		case <-k.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		// The other caller's patience is not ours.
		if !errors.Is(k.err, context.Canceled) && !errors.Is(k.err, context.DeadlineExceeded) {
			return k.dump, k.err
		}
	}
}

func orNotExist(d *Dump, id dump.ID) (*Dump, error) {
	if d == nil {
		return nil, notExist("get", infoKey(id))
	}
	return d, nil
}

// current tells whether what is known of a dump, nil for nothing, will do.
func (c *Corpus) current(id dump.ID, known *Dump) bool {
	now := c.now()
	if known != nil && c.outage.pausing(now) {
		return true
	}
	last := c.looks.last(id)
	if known != nil && known.checked.After(last) {
		last = known.checked
	}
	age := now.Sub(last)
	return age >= -afterStored && age <= c.o.AttrTimeout
}

// ask compares what is known of a dump, nil for nothing, with the store.
func (c *Corpus) ask(ctx context.Context, id dump.ID, known *Dump) (*Dump, error) {
	etag := ""
	if known != nil {
		etag = known.ETag
	}
	brief, cancel := c.outage.orBriefly(ctx, known == nil)
	f, err := c.read(brief, id, etag)
	err = silence(brief, err)
	cancel()
	if err != nil {
		c.outage.note(c.now(), err, c.log)
		if known != nil && errors.Is(err, store.ErrUnavailable) {
			return known, nil
		}
		return nil, err
	}
	c.looks.set(id, f.at)
	switch {
	case f.kind == found:
		c.Stale(id) // who changed the document may have changed more
		d := newDump(id, f.raw, f.attr, f.damage)
		d.checked = f.at
		c.keep(ctx, f)
		return d, nil
	case f.kind == absent && known == nil:
		return nil, notExist("get", infoKey(id)) // nothing new
	case f.kind == absent:
		c.keep(ctx, f)
		return nil, notExist("get", infoKey(id))
	}
	if f.at.Sub(known.checked) > c.o.Revalidate/4 {
		c.keep(ctx, f) // so that it is not read again in the background
	}
	return known, nil
}

// keep notes findings and tells subscribers; told is whether there was anything to
// tell. That the catalogue cannot take them is logged: what was found is true
// nevertheless.
func (c *Corpus) keep(ctx context.Context, findings ...finding) (told bool) {
	changes, err := c.cat.record(ctx, findings)
	if err != nil {
		if !c.unwritable.Swap(true) {
			c.log.Error("the catalogue cannot be written", "path", c.cat.where(), "error", err)
		}
		return false
	}
	c.unwritable.Store(false)
	c.events.emit(changes...)
	return len(changes) > 0
}

// read looks into a directory for a document other than the version etag. Its kinds
// are found, same and absent; everything else is an error.
func (c *Corpus) read(ctx context.Context, id dump.ID, etag string) (finding, error) {
	return c.readUpTo(ctx, id, etag, maxInfo)
}

// readUpTo is read, but a document of more than limit bytes, where that is less than
// maxInfo, is store.ErrTooLarge.
func (c *Corpus) readUpTo(ctx context.Context, id dump.ID, etag string, limit int64) (finding, error) {
	f := finding{id: id, at: c.now(), etag: etag, wait: max(c.o.Poll, 10*time.Second)}
	ref := store.Ref{Key: infoKey(id), ETag: etag}
	raw, attr, err := c.store.Get(ctx, ref, limit)
	if errors.Is(err, store.ErrTooLarge) && limit == maxInfo {
		attr, err = c.store.Stat(ctx, ref.Key)
		f.damage = fmt.Sprintf("the document is too large to be read: %d bytes", attr.Size)
	}
	c.outage.note(c.now(), err, c.log)
	switch {
	case err == nil && f.damage != "" && attr.ETag == etag, errors.Is(err, store.ErrNotModified):
		f.kind = same
	case err == nil:
		f.kind, f.raw, f.attr = found, raw, attr
	case errors.Is(err, store.ErrNotExist), errors.Is(err, store.ErrInvalid):
		f.kind = absent
	default:
		return f, err
	}
	return f, nil
}
