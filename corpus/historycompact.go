package corpus

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

// A segment is lines of the history in one zstd frame. Its name says when the latest
// and the earliest edit in it were made, and is bound to what it holds, so that of two
// that compact the same objects both make the same segment.
const (
	maxSegment     = 32 << 20 // bytes of a segment
	maxSegmentText = 64 << 20 // and of what is in it
	// segmentText is how many bytes of records go into one segment, give or take an object.
	segmentText = 16 << 20
	// smallSegment is how many bytes a segment has at most that is made a part of the next.
	smallSegment = 1 << 20
	// compactAtOnce are objects that are compacted together.
	compactAtOnce = 4096
)

var errSegment = errors.New("no segment of the history")

// CompactHistory packs the objects of the history into segments, and removes what is
// older than keep. It may be interrupted anywhere, and run by several at once: no record
// is lost, and none is seen twice.
func (c *Corpus) CompactHistory(ctx context.Context, keep time.Duration) error {
	before := c.storeNow().Add(-keep)
	r := &historyReader{c: c, since: time.UnixMilli(0), listed: map[string]bool{}}
	if err := r.list(ctx); err != nil {
		return err
	}
	if err := c.expire(ctx, r.sources, before); err != nil {
		return err
	}
	sources := slices.DeleteFunc(r.sources, func(s historySource) bool {
		return s.until.Before(before) || s.segment() && s.size > smallSegment
	})
	slices.Reverse(sources) // the earliest first
	if len(sources) == 1 && sources[0].segment() {
		return nil
	}
	for len(sources) > 0 {
		n, err := c.compact(ctx, sources, before)
		if err != nil {
			return err
		}
		sources = sources[n:]
	}
	return nil
}

// expire removes what is older than is to be kept.
func (c *Corpus) expire(ctx context.Context, sources []historySource, before time.Time) error {
	var old []string
	for _, s := range sources {
		if s.until.Before(before) {
			old = append(old, s.key)
		}
	}
	for e, err := range c.store.List(ctx, historyLarge, "") {
		if errors.Is(err, store.ErrNotExist) {
			break
		}
		if err != nil {
			return err
		}
		if at, ok := ParseEditID(e.Name[:min(20, len(e.Name))]); ok && at.Before(before) && !e.Dir {
			old = append(old, historyLarge+"/"+e.Name)
		}
	}
	return c.removeAll(ctx, old)
}

// removeAll removes objects; those that are not there do not matter.
func (c *Corpus) removeAll(ctx context.Context, keys []string) error {
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for _, key := range keys {
		group.Go(func() error {
			err := c.store.Remove(gctx, store.Ref{Key: key})
			if errors.Is(err, store.ErrNotExist) {
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// compact makes a segment of the first of sources, as many as it returns, and then
// removes them.
func (c *Corpus) compact(ctx context.Context, sources []historySource, before time.Time) (n int, err error) {
	var lines [][]byte
	var done []string
	for size := 0; n < min(len(sources), compactAtOnce); {
		texts, _, err := c.readHistory(ctx, readTogether(sources[n:]))
		if err != nil {
			return 0, err
		}
		full := false
		for _, text := range texts {
			if full = size > 0 && size+len(text) > segmentText; full {
				break
			}
			if text != nil { // else it is gone, or damaged and stays until it is old
				done = append(done, sources[n].key)
				lines = append(lines, keptLines(text, sources[n].until, before)...)
			}
			size += len(text)
			n++
		}
		if full {
			break
		}
	}
	if len(lines) > 0 {
		key, err := c.putSegment(ctx, lines)
		if err != nil {
			return 0, err
		}
		done = slices.DeleteFunc(done, func(k string) bool { return k == key })
	}
	return n, c.removeAll(ctx, done)
}

// putSegment stores records as a segment, if it is not there already.
func (c *Corpus) putSegment(ctx context.Context, lines [][]byte) (key string, err error) {
	name, packed := packSegment(lines)
	key = segmentsDir + "/" + name
	if len(packed) > maxSegment {
		return key, fmt.Errorf("a segment of the history has %d bytes, more than can be read", len(packed))
	}
	_, err = c.store.Put(ctx, store.Ref{Key: key}, bytesAt(packed), int64(len(packed)))
	if errors.Is(err, store.ErrConflict) {
		if packed, _, err = c.store.Get(ctx, store.Ref{Key: key}, maxSegment); err == nil {
			_, err = unpackSegment(key, packed)
		}
	}
	return key, err
}

// keptLines are the records of an object that are to be kept, those of later versions
// among them.
func keptLines(text []byte, until, before time.Time) (lines [][]byte) {
	for line := range bytes.Lines(text) {
		at, ok := lineTime(line)
		if ok && !at.After(until) && !at.Before(before) && len(line) <= 2*maxLine {
			lines = append(lines, append(bytes.TrimRight(line, "\n"), '\n'))
		}
	}
	return lines
}

// lineTime returns when the edit of a record was made; false: it is no record.
func lineTime(line []byte) (time.Time, bool) {
	var r struct{ ID string }
	if json.Unmarshal(line, &r) != nil {
		return time.Time{}, false
	}
	return ParseEditID(r.ID)
}

// packSegment makes a segment and its name.
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
	z, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)) // options that are always valid
	packed = z.EncodeAll(bytes.Join(lines, nil), nil)
	return last.UTC().Format(entryTime) + "-" + first.UTC().Format(entryTime) + "-" + segmentSum(packed), packed
}

func segmentSum(packed []byte) string { return hex.EncodeToString(plainSum(packed)[:16]) }

// unpackSegment returns the lines in a segment. What is not what its name says is
// errSegment.
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
