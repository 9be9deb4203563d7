package corpus

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"thothfs/dump"
	"thothfs/store"
)

// historyAtOnce are objects of the history that are read together.
const historyAtOnce = 64

// historySource is an object of the history.
type historySource struct {
	key   string
	until time.Time // no record in it is later
	size  int64
}

func (s *historySource) segment() bool { return strings.HasPrefix(s.key, segmentsDir+"/") }

// History yields the edits since a time, by the clocks of those who made them, the latest
// first. Records that make no sense, and those of later versions, are passed over; a
// corpus without a history has none. An error ends it.
func (c *Corpus) History(ctx context.Context, since time.Time) iter.Seq2[*HistoryEdit, error] {
	return func(yield func(*HistoryEdit, error) bool) {
		r := &historyReader{c: c, since: since, listed: map[string]bool{}}
		if err := r.list(ctx); err != nil {
			yield(nil, err)
			return
		}
		for {
			e, err := r.next(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			if e == nil || !yield(e, nil) {
				return
			}
		}
	}
}

// historyReader merges the objects of the history. It reads only as many as it takes to
// know which edit is next.
type historyReader struct {
	c       *Corpus
	since   time.Time
	listed  map[string]bool
	sources []historySource // not read yet, the latest first
	edits   []*HistoryEdit  // read, the latest last
	last    string          // ID of the latest that was given out
}

// list finds the objects that were not found before. The single ones come first: what
// is compacted meanwhile is in a segment by the time those are listed.
func (r *historyReader) list(ctx context.Context) error {
	for _, dir := range []string{historyDir, segmentsDir} {
		for e, err := range r.c.store.List(ctx, dir, r.since.UTC().Format(entryTime)) {
			if errors.Is(err, store.ErrNotExist) {
				break
			}
			if err != nil {
				return err
			}
			s := historySource{key: dir + "/" + e.Name, size: e.Size}
			at, _, _ := strings.Cut(e.Name, "-")
			if s.until, err = time.Parse(entryTime, at); err != nil || e.Dir || r.listed[s.key] {
				continue
			}
			r.listed[s.key] = true
			r.sources = append(r.sources, s)
		}
	}
	slices.SortFunc(r.sources, func(a, b historySource) int { return b.until.Compare(a.until) })
	return nil
}

// next returns the next edit, nil when there is none.
func (r *historyReader) next(ctx context.Context) (*HistoryEdit, error) {
	for {
		for n := len(r.edits); n > 0; n = len(r.edits) {
			e := r.edits[n-1]
			if len(r.sources) > 0 && !e.Time.After(r.sources[0].until) {
				break // something in there may be later
			}
			r.edits = r.edits[:n-1]
			if r.last != "" && e.ID >= r.last { // given out already, or an earlier try
				continue
			}
			r.last = e.ID
			if !e.void {
				return e, nil
			}
		}
		if len(r.sources) == 0 {
			return nil, nil
		}
		if err := r.read(ctx); err != nil {
			return nil, err
		}
	}
}

// readTogether returns those of sources, from the first on, that are read at a time: a
// segment alone, since it may be much larger than it is stored.
func readTogether(sources []historySource) []historySource {
	n := 1
	for n < len(sources) && n < historyAtOnce && !sources[n-1].segment() && !sources[n].segment() {
		n++
	}
	return sources[:n]
}

// read reads the latest objects.
func (r *historyReader) read(ctx context.Context) error {
	some := readTogether(r.sources)
	r.sources = r.sources[len(some):]
	texts, gone, err := r.c.readHistory(ctx, some)
	if err != nil {
		return err
	}
	for i, text := range texts {
		for line := range bytes.Lines(text) {
			e, err := decodeRecord(line)
			if err != nil || e.Time.After(some[i].until) {
				r.c.log.Debug("a record of the history makes no sense, or is of a later version", "object", some[i].key)
			} else if !e.Time.Before(r.since) {
				r.edits = append(r.edits, e)
			}
		}
	}
	slices.SortFunc(r.edits, func(a, b *HistoryEdit) int { return laterEdit(b, a) })
	if gone {
		return r.list(ctx)
	}
	return nil
}

// readHistory reads objects of the history; gone says that some are not there any more.
// One that is damaged is nil.
func (c *Corpus) readHistory(ctx context.Context, some []historySource) (texts [][]byte, gone bool, err error) {
	texts = make([][]byte, len(some))
	missing := make([]bool, len(some))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for i, s := range some {
		group.Go(func() error {
			limit := int64(maxHistory)
			if s.segment() {
				limit = maxSegment
			}
			text, _, err := c.store.Get(gctx, store.Ref{Key: s.key}, limit)
			missing[i] = errors.Is(err, store.ErrNotExist)
			if missing[i] {
				return nil
			}
			if err == nil && s.segment() {
				text, err = unpackSegment(s.key, text)
			}
			if errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrInvalid) || errors.Is(err, errSegment) {
				c.log.Warn("a part of the history is damaged and passed over", "object", s.key, "error", err)
				return nil
			}
			texts[i] = nonNil(text)
			return err
		})
	}
	err = group.Wait()
	return texts, slices.Contains(missing, true), err
}

var errNoChanges = errors.New("what it replaced is not in the history")

// allChanges returns the changes of an edit, with those that are stored apart.
func (c *Corpus) allChanges(ctx context.Context, e *HistoryEdit) ([]HistoryChange, error) {
	if e.ref == "" {
		return e.Changes, nil
	}
	text, _, err := c.store.Get(ctx, store.Ref{Key: e.largeKey()}, maxLarge)
	if errors.Is(err, store.ErrNotExist) || errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrInvalid) {
		return nil, fmt.Errorf("%w: %w", errNoChanges, err)
	}
	if err != nil {
		return nil, err
	}
	var all []changeJSON
	if hex.EncodeToString(plainSum(text)) != e.ref || json.Unmarshal(text, &all) != nil {
		return nil, errNoChanges
	}
	return decodeChanges(all, e.Dump != dump.ID{})
}
