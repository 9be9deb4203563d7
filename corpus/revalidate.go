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

// revalidations remembers when documents were last compared with the store, since most
// looks find nothing and are not worth a transaction; and which are being compared.
type revalidations struct {
	mu       sync.Mutex // guards what follows
	at       map[dump.ID]time.Time
	underway map[dump.ID]*revalidation
}

// revalidation is one comparison that several callers may wait for.
type revalidation struct {
	done chan struct{} // closed when dump and err are there
	dump *Dump
	err  error
}

// maxRemembered bounds what is remembered.
const maxRemembered = 8192

func newRevalidations() *revalidations {
	return &revalidations{at: map[dump.ID]time.Time{}, underway: map[dump.ID]*revalidation{}}
}

func (l *revalidations) last(id dump.ID) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at[id]
}

func (l *revalidations) set(id dump.ID, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.at) >= maxRemembered {
		clear(l.at)
	}
	l.at[id] = at
}

// join returns the look at id that is under way, or begins one: then the caller does
// it and calls leave.
func (l *revalidations) join(id dump.ID) (k *revalidation, mine bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k = l.underway[id]; k != nil {
		return k, false
	}
	k = &revalidation{done: make(chan struct{})}
	l.underway[id] = k
	return k, true
}

func (l *revalidations) leave(id dump.ID, k *revalidation) {
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
		if c.isFresh(id, known) {
			return orNotExist(known, id)
		}
		k, mine := c.revalidations.join(id)
		if mine {
			k.dump, k.err = c.revalidate(ctx, id, known)
			c.revalidations.leave(id, k)
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

// isFresh tells whether what is known of a dump, nil for nothing, will do.
func (c *Corpus) isFresh(id dump.ID, known *Dump) bool {
	now := c.now()
	if known != nil && c.availability.paused(now) {
		return true
	}
	last := c.revalidations.last(id)
	if known != nil && known.checked.After(last) {
		last = known.checked
	}
	age := now.Sub(last)
	return age >= -afterStored && age <= c.o.AttrTimeout
}

// revalidate compares what is known of a dump, nil for nothing, with the store.
func (c *Corpus) revalidate(ctx context.Context, id dump.ID, known *Dump) (*Dump, error) {
	etag := ""
	if known != nil {
		etag = known.ETag
	}
	brief, cancel := c.availability.withShortTimeout(ctx, known == nil)
	f, err := c.fetchDocument(brief, id, etag)
	err = shortTimeoutError(brief, err)
	cancel()
	if err != nil {
		c.availability.record(c.now(), err, c.log)
		if known != nil && errors.Is(err, store.ErrUnavailable) {
			return known, nil
		}
		return nil, err
	}
	c.revalidations.set(id, f.at)
	switch {
	case f.kind == found:
		c.Stale(id) // who changed the document may have changed more
		d := newDump(id, f.raw, f.attr, f.damage)
		d.checked = f.at
		c.recordObservations(ctx, f)
		return d, nil
	case f.kind == absent && known == nil:
		return nil, notExist("get", infoKey(id)) // nothing new
	case f.kind == absent:
		c.recordObservations(ctx, f)
		return nil, notExist("get", infoKey(id))
	}
	if f.at.Sub(known.checked) > c.o.Revalidate/4 {
		c.recordObservations(ctx, f) // so that it is not read again in the background
	}
	return known, nil
}

// recordObservations notes findings and tells subscribers; told is whether there was anything to
// tell. That the catalogue cannot take them is logged: what was found is true
// nevertheless.
func (c *Corpus) recordObservations(ctx context.Context, findings ...observation) (told bool) {
	changes, err := c.cat.record(ctx, findings)
	if err != nil {
		if !c.unwritable.Swap(true) {
			c.log.Error("the catalogue cannot be written", "path", c.cat.filePath(), "error", err)
		}
		return false
	}
	c.unwritable.Store(false)
	c.events.emit(changes...)
	return len(changes) > 0
}

// fetchDocument looks into a directory for a document other than the version etag. Its kinds
// are found, same and absent; everything else is an error.
func (c *Corpus) fetchDocument(ctx context.Context, id dump.ID, etag string) (observation, error) {
	return c.fetchDocumentUpTo(ctx, id, etag, maxInfo)
}

// fetchDocumentUpTo is read, but a document of more than limit bytes, where that is less than
// maxInfo, is store.ErrTooLarge.
func (c *Corpus) fetchDocumentUpTo(ctx context.Context, id dump.ID, etag string, limit int64) (observation, error) {
	f := observation{id: id, at: c.now(), etag: etag, wait: max(c.o.Poll, 10*time.Second)}
	ref := store.Ref{Key: infoKey(id), ETag: etag}
	raw, attr, err := c.store.Get(ctx, ref, limit)
	if errors.Is(err, store.ErrTooLarge) && limit == maxInfo {
		attr, err = c.store.Stat(ctx, ref.Key)
		f.damage = fmt.Sprintf("the document is too large to be read: %d bytes", attr.Size)
	}
	c.availability.record(c.now(), err, c.log)
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
