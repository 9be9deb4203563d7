package history

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"thothfs/store"
)

// A segment contains records in one zstd frame. Its name consists of the times of its latest and
// earliest edits and a checksum, so two processes that compact the same objects create the same
// segment.
const (
	maxSegment     = 32 << 20 // maximum size of a segment in bytes
	maxSegmentText = 64 << 20 // maximum size of its records in bytes
	// segmentText is the size at which a new segment is full, in bytes of records.
	segmentText = 16 << 20
	// smallSegment is the maximum size, in bytes, of a segment that is merged into a new one.
	smallSegment = 1 << 20
	// compactAtOnce is the maximum number of objects compacted together.
	compactAtOnce = 4096
)

var errSegment = errors.New("not a segment of the history")

// Compact packs the history into segments and removes edits made before a time. It may be
// interrupted, and several processes may run it at once: no record is lost or returned twice.
func (h History) Compact(ctx context.Context, before time.Time) error {
	m := newMerger(h, time.UnixMilli(0))
	if err := m.list(ctx); err != nil {
		return err
	}
	if err := h.expire(ctx, m.objects, before); err != nil {
		return err
	}
	objects := slices.DeleteFunc(m.objects, func(o object) bool {
		return o.until.Before(before) || o.isSegment() && o.size > smallSegment
	})
	slices.Reverse(objects) // earliest first
	if len(objects) == 1 && objects[0].isSegment() {
		return nil
	}
	for len(objects) > 0 {
		n, err := h.compact(ctx, objects, before)
		if err != nil {
			return err
		}
		objects = objects[n:]
	}
	return nil
}

// expire removes the objects that contain only records from before a time.
func (h History) expire(ctx context.Context, objects []object, before time.Time) error {
	var keys []string
	for _, o := range objects {
		if o.until.Before(before) {
			keys = append(keys, o.key)
		}
	}
	for e, err := range h.Store.List(ctx, largeDir, "") {
		if errors.Is(err, store.ErrNotExist) {
			break
		}
		if err != nil {
			return err
		}
		if at, ok := ParseEditID(e.Name[:min(20, len(e.Name))]); ok && at.Before(before) && !e.Dir {
			keys = append(keys, largeDir+"/"+e.Name)
		}
	}
	return h.removeAll(ctx, keys)
}

// removeAll removes objects, some of which may no longer exist.
func (h History) removeAll(ctx context.Context, keys []string) error {
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for _, key := range keys {
		group.Go(func() error {
			err := h.Store.Remove(gctx, store.Ref{Key: key})
			if errors.Is(err, store.ErrNotExist) {
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// compact packs the first n of objects into a segment and then removes them.
func (h History) compact(ctx context.Context, objects []object, before time.Time) (n int, err error) {
	var lines [][]byte
	var packed []string // keys
	for size, full := 0, false; !full && n < min(len(objects), compactAtOnce); {
		texts, _, err := h.read(ctx, readTogether(objects[n:]))
		if err != nil {
			return 0, err
		}
		for _, text := range texts {
			if full = size > 0 && size+len(text) > segmentText; full {
				break
			}
			if text != nil { // a damaged object remains until it expires
				packed = append(packed, objects[n].key)
				lines = append(lines, keptLines(text, objects[n].until, before)...)
			}
			size += len(text)
			n++
		}
	}
	if len(lines) > 0 {
		segment, err := h.putSegment(ctx, lines)
		if err != nil {
			return 0, err
		}
		packed = slices.DeleteFunc(packed, func(key string) bool { return key == segment })
	}
	return n, h.removeAll(ctx, packed)
}

// putSegment stores records as a segment, unless that exists already, and returns its key.
func (h History) putSegment(ctx context.Context, lines [][]byte) (key string, err error) {
	name, packed := packSegment(lines)
	key = segmentsDir + "/" + name
	if len(packed) > maxSegment {
		return key, fmt.Errorf("a segment of the history has %d bytes, more than can be read", len(packed))
	}
	err = h.put(ctx, key, packed)
	if errors.Is(err, store.ErrConflict) {
		if packed, _, err = h.Store.Get(ctx, store.Ref{Key: key}, maxSegment); err == nil {
			_, err = unpackSegment(key, packed)
		}
	}
	return key, err
}

// keptLines returns the records of an object except those from before a time. It keeps records in a
// later format.
func keptLines(text []byte, until, before time.Time) (lines [][]byte) {
	for line := range bytes.Lines(text) {
		at, ok := lineTime(line)
		if ok && !at.After(until) && !at.Before(before) && len(line) <= 2*maxLine {
			lines = append(lines, append(bytes.TrimRight(line, "\n"), '\n'))
		}
	}
	return lines
}

// lineTime returns the time of a record. It returns false if line is not a record.
func lineTime(line []byte) (time.Time, bool) {
	var r struct{ ID string }
	if json.Unmarshal(line, &r) != nil {
		return time.Time{}, false
	}
	return ParseEditID(r.ID)
}

// packSegment returns a segment and its name.
func packSegment(lines [][]byte) (name string, packed []byte) {
	slices.SortFunc(lines, bytes.Compare)
	lines = slices.CompactFunc(lines, bytes.Equal)
	var first, last time.Time
	for _, line := range lines {
		at, _ := lineTime(line)
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	z, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)) // fails only for invalid options
	packed = z.EncodeAll(bytes.Join(lines, nil), nil)
	return last.UTC().Format(timeFormat) + "-" + first.UTC().Format(timeFormat) + "-" + segmentSum(packed), packed
}

func segmentSum(packed []byte) string { return hex.EncodeToString(sha256Sum(packed)[:16]) }

// unpackSegment returns the records in a segment. It returns errSegment if the segment does not
// match its name.
func unpackSegment(key string, packed []byte) ([]byte, error) {
	name := path.Base(key)
	if name[strings.LastIndexByte(name, '-')+1:] != segmentSum(packed) {
		return nil, fmt.Errorf("%w: checksum mismatch", errSegment)
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxSegmentText), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	text, err := z.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSegment, err)
	}
	return text, nil
}
