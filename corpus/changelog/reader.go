package changelog

import (
	"context"
	"errors"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"

	"thothfs/store"
)

const (
	// overlap is how far back the log is listed again, because an entry may appear later than the
	// time in its name.
	overlap       = 15 * time.Minute
	entriesAtOnce = 1024 // entries marked together
	inFlight      = 32   // concurrent requests
)

// Position is how far a log has been read. The zero value means that it has never been read.
type Position struct {
	ETag   string    // version of Dir when it was listed; "" if the listing may be incomplete
	Latest time.Time // time of the latest entry
}

// State stores the state of a Reader between runs and receives its results.
type State interface {
	LogPosition(ctx context.Context) (Position, error)
	// SetLogPosition also forgets the entries whose names sort before forget.
	SetLogPosition(ctx context.Context, p Position, forget string) error
	// SeenEntries returns the names of the entries that have been read, starting at from.
	SeenEntries(ctx context.Context, from string) (map[string]bool, error)
	// MarkChanged marks documents as changed unless the given versions are the known ones, and adds
	// names to the entries that have been read.
	MarkChanged(ctx context.Context, versions []Version, names []string) error
}

// Reader reads the change log of a corpus.
type Reader struct {
	Store store.Store
	State State
	Now   func() time.Time
}

// Read reports new entries to the State. It lists the log only if the log seems to have changed or
// force is set. It returns false if there is no log.
func (r *Reader) Read(ctx context.Context, force bool) (exists bool, err error) {
	began := r.Now()
	attr, err := r.Store.Stat(ctx, Dir)
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return false, err
	}
	exists = err == nil
	known, err := r.State.LogPosition(ctx)
	switch {
	case err != nil:
		return exists, err
	case !exists && known.Latest.IsZero():
		return false, r.State.SetLogPosition(ctx, Position{Latest: time.UnixMilli(0)}, "") // any later entry is new
	case !exists, known.ETag == attr.ETag && known.ETag != "" && !force:
		return exists, nil
	}
	since, err := r.since(ctx, known, began)
	if err != nil {
		return true, err
	}
	latest, n, err := r.readSince(ctx, since)
	if err == nil && n == 0 && known.ETag != "" && known.ETag != attr.ETag {
		err = r.readLate(ctx, since)
	}
	if err != nil {
		return true, err
	}
	// A change immediately after the listing may leave the version unchanged.
	if began.Sub(attr.ModTime).Abs() < 2*time.Second {
		attr.ETag = ""
	}
	forget := latest.Add(-2 * overlap).UTC().Format(timeFormat) // these are never listed again
	return true, r.State.SetLogPosition(ctx, Position{attr.ETag, latest}, forget)
}

// since returns the time from which the log must be listed. It is derived from the entries, which
// are ordered by the store's clock, since this machine's clock may be wrong.
func (r *Reader) since(ctx context.Context, known Position, now time.Time) (time.Time, error) {
	latest := known.Latest
	if latest.IsZero() {
		// The catalogue is more recent than the existing entries.
		latest = time.UnixMilli(0)
		for e, err := range r.entries(ctx, latest) {
			if err != nil {
				return latest, err
			}
			if e.at.After(latest) {
				latest = e.at
			}
		}
	} else if latest.After(now) { // this clock is behind, or the position is damaged
		latest = now
	}
	return latest.Add(-overlap), nil
}

// entries yields the entries whose names contain the time since or a later one. The time of an
// entry is the one in its name, but no later than its arrival, since the writer's clock may be
// ahead.
func (r *Reader) entries(ctx context.Context, since time.Time) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		for listed, err := range r.Store.List(ctx, Dir, since.UTC().Format(timeFormat)) {
			if err != nil {
				yield(entry{}, err)
				return
			}
			e, ok := parseEntryName(listed.Name)
			if !ok || listed.Dir {
				continue
			}
			if e.stored = listed.ModTime; !e.stored.IsZero() && e.at.After(e.stored) {
				e.at = e.stored
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// readSince reads the new entries since a time. It returns the time of the latest entry and the
// number of new entries.
func (r *Reader) readSince(ctx context.Context, since time.Time) (latest time.Time, n int, err error) {
	latest = since.Add(overlap)
	seen, err := r.State.SeenEntries(ctx, since.UTC().Format(timeFormat))
	if err != nil {
		return latest, 0, err
	}
	b := batch{r: r}
	for e, err := range r.entries(ctx, since) {
		if err != nil {
			return latest, n, err
		}
		if seen[e.name] {
			continue
		}
		if e.at.After(latest) {
			latest = e.at
		}
		n++
		if err := b.add(ctx, e); err != nil {
			return latest, n, err
		}
	}
	return latest, n, b.flush(ctx)
}

// readLate reads the entries that arrived after since but have earlier times in their names because
// their writers' clocks are behind. It lists the whole log, so it is only used if the log has
// changed and there are no new entries.
func (r *Reader) readLate(ctx context.Context, since time.Time) error {
	b := batch{r: r}
	for e, err := range r.entries(ctx, time.UnixMilli(0)) {
		if err != nil {
			return err
		}
		if !e.at.Before(since) {
			break
		}
		if e.stored.Before(since) {
			continue
		}
		if err := b.add(ctx, e); err != nil {
			return err
		}
	}
	return b.flush(ctx)
}

// batch collects entries to be read together.
type batch struct {
	r       *Reader
	entries []entry
}

func (b *batch) add(ctx context.Context, e entry) error {
	if b.entries = append(b.entries, e); len(b.entries) < entriesAtOnce {
		return nil
	}
	return b.flush(ctx)
}

// flush reads the entries and marks the documents in them as changed. It skips entries that are
// gone or damaged.
func (b *batch) flush(ctx context.Context) error {
	if len(b.entries) == 0 {
		return nil
	}
	texts := make([][]byte, len(b.entries))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for i, e := range b.entries {
		if e.only {
			continue
		}
		group.Go(func() error {
			text, _, err := b.r.Store.Get(gctx, store.Ref{Key: Dir + "/" + e.name}, maxEntryBytes)
			if errors.Is(err, store.ErrNotExist) || errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrInvalid) {
				return nil
			}
			texts[i] = text
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var versions []Version
	var names []string
	for i, e := range b.entries {
		if e.only {
			versions = append(versions, e.version)
		}
		versions = append(versions, decodeLines(texts[i])...)
		names = append(names, e.name)
	}
	b.entries = b.entries[:0]
	return b.r.State.MarkChanged(ctx, versions, names)
}
