package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"thothfs/store"
)

// Directories of the history in the store.
const (
	editsDir    = ".thothfs/history/edits"
	segmentsDir = ".thothfs/history/segments"
	largeDir    = ".thothfs/history/large"
)

// timeFormat is the format of times in names.
const timeFormat = "20060102T150405.000Z"

const (
	inFlight      = 32 // concurrent requests
	objectsAtOnce = 64 // edit objects read together
	// maxHeld limits the records in memory, in bytes. Only records of objects whose times overlap
	// are held, which for objects written by this package means at most some minutes.
	maxHeld = 2 * maxSegmentText
)

var (
	// ErrNoChanges means that the changes of an edit are missing, damaged or too large.
	ErrNoChanges = errors.New("what it replaced is not in the history")
	errTooMany   = errors.New("the history has too many edits of the same time")
)

// History is the history of the corpus in Store.
type History struct {
	Store store.Store
	Log   *slog.Logger
}

func (h History) put(ctx context.Context, key string, data []byte) error {
	_, err := h.Store.Put(ctx, store.Ref{Key: key}, bytes.NewReader(data), int64(len(data)))
	return err
}

// Edits yields the edits since a time, latest first. It skips malformed records and records in a
// later format. It stops after yielding an error. A corpus without a history has no edits.
func (h History) Edits(ctx context.Context, since time.Time) iter.Seq2[*Edit, error] {
	return func(yield func(*Edit, error) bool) {
		m := newMerger(h, since)
		if err := m.list(ctx); err != nil {
			yield(nil, err)
			return
		}
		for {
			e, err := m.next(ctx)
			if e == nil && err == nil || !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Changes returns all changes of an edit, including those that are stored separately.
func (h History) Changes(ctx context.Context, e *Edit) ([]Change, error) {
	if !e.Large() {
		return e.Changes, nil
	}
	text, _, err := h.Store.Get(ctx, store.Ref{Key: e.largeKey()}, maxLarge)
	if errors.Is(err, store.ErrNotExist) || errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrInvalid) {
		return nil, fmt.Errorf("%w: %w", ErrNoChanges, err)
	}
	if err != nil {
		return nil, err
	}
	changes, err := e.decodeLarge(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoChanges, err)
	}
	return changes, nil
}

// Large reports whether the changes of e are stored separately.
func (e *Edit) Large() bool { return e.ref != "" }

// object is an object of the history that has not been read yet.
type object struct {
	key   string
	until time.Time // no record in the object is later
	size  int64
}

func (o *object) isSegment() bool { return strings.HasPrefix(o.key, segmentsDir+"/") }

// merger merges the records of all objects. It reads only the objects that it needs to determine
// the next edit.
type merger struct {
	h       History
	since   time.Time
	listed  map[string]bool // keys
	objects []object        // to be read, latest first
	edits   []*Edit         // already read, latest last
	held    int             // size of the records of edits in bytes
	maxHeld int
	last    string // ID of the edit returned last
}

func newMerger(h History, since time.Time) *merger {
	return &merger{h: h, since: since, listed: map[string]bool{}, maxHeld: maxHeld}
}

// list finds objects that have not been listed before. It lists edits before segments, so that a
// record that is compacted in between is found in its segment.
func (m *merger) list(ctx context.Context) error {
	for _, dir := range []string{editsDir, segmentsDir} {
		for e, err := range m.h.Store.List(ctx, dir, m.since.UTC().Format(timeFormat)) {
			if errors.Is(err, store.ErrNotExist) {
				break
			}
			if err != nil {
				return err
			}
			o := object{key: dir + "/" + e.Name, size: e.Size}
			at, _, _ := strings.Cut(e.Name, "-")
			if o.until, err = time.Parse(timeFormat, at); err != nil || e.Dir || m.listed[o.key] {
				continue
			}
			m.listed[o.key] = true
			m.objects = append(m.objects, o)
		}
	}
	slices.SortFunc(m.objects, func(a, b object) int { return b.until.Compare(a.until) })
	return nil
}

// next returns the next edit, or nil if there is none.
func (m *merger) next(ctx context.Context) (*Edit, error) {
	for {
		for n := len(m.edits); n > 0; n = len(m.edits) {
			e := m.edits[n-1]
			if len(m.objects) > 0 && !e.Time.After(m.objects[0].until) {
				break // the next object may contain a later edit
			}
			m.edits = m.edits[:n-1]
			m.held -= e.size
			if m.last != "" && e.ID >= m.last { // a copy, or an earlier attempt
				continue
			}
			m.last = e.ID
			if !e.void {
				return e, nil
			}
		}
		if len(m.objects) == 0 {
			return nil, nil
		}
		if err := m.read(ctx); err != nil {
			return nil, err
		}
	}
}

// readTogether returns the first objects, as many as are read at once. A segment is read alone,
// because its records may take much more memory than the object.
func readTogether(objects []object) []object {
	n := 1
	for n < min(len(objects), objectsAtOnce) && !objects[n-1].isSegment() && !objects[n].isSegment() {
		n++
	}
	return objects[:n]
}

// read reads the latest objects.
func (m *merger) read(ctx context.Context) error {
	batch := readTogether(m.objects)
	m.objects = m.objects[len(batch):]
	texts, gone, err := m.h.read(ctx, batch)
	if err != nil {
		return err
	}
	for i, text := range texts {
		for line := range bytes.Lines(text) {
			e, err := decodeRecord(line)
			if err != nil || e.Time.After(batch[i].until) {
				m.h.Log.Debug("a record of the history makes no sense, or has a later version", "object", batch[i].key)
				continue
			}
			if e.Time.Before(m.since) {
				continue
			}
			if m.held += e.size; m.held > m.maxHeld {
				return fmt.Errorf("%w: more than %d MiB", errTooMany, m.maxHeld>>20)
			}
			m.edits = append(m.edits, e)
		}
	}
	slices.SortFunc(m.edits, func(a, b *Edit) int { return latestFirst(b, a) })
	if gone {
		return m.list(ctx)
	}
	return nil
}

// read reads objects. The text of a damaged object is nil. gone reports whether some of the objects
// no longer exist.
func (h History) read(ctx context.Context, batch []object) (texts [][]byte, gone bool, err error) {
	texts = make([][]byte, len(batch))
	missing := make([]bool, len(batch))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for i, o := range batch {
		group.Go(func() error {
			limit := int64(maxObject)
			if o.isSegment() {
				limit = maxSegment
			}
			text, _, err := h.Store.Get(gctx, store.Ref{Key: o.key}, limit)
			missing[i] = errors.Is(err, store.ErrNotExist)
			if missing[i] {
				return nil
			}
			if err == nil && o.isSegment() {
				text, err = unpackSegment(o.key, text)
			}
			if errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrInvalid) || errors.Is(err, errSegment) {
				h.Log.Warn("a part of the history is damaged and skipped", "object", o.key, "error", err)
				return nil
			}
			texts[i] = nonNil(text)
			return err
		})
	}
	err = group.Wait()
	return texts, slices.Contains(missing, true), err
}
