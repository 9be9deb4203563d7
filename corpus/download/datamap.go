package download

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"thothfs/internal/sparsefile"
	"thothfs/store"
)

const (
	page = 4096
	// minGap is the length of zeros from which on they are not fetched, in bytes. To fetch less takes
	// less time than another request.
	minGap = 256 << 10
	// maxContent is the maximum number of bytes of data that a map includes.
	maxContent = 32 << 20
	// worthwhile is the fraction of an object that must be zeros, in sixteenths, for a map to be of use.
	// Only if the data is less than one sixteenth, a map includes it.
	worthwhile = 1
	maxRanges  = 1 << 17
	maxHead    = 64 * maxRanges // bytes
	// MaxMap is the maximum size of an encoded map in bytes.
	MaxMap = maxContent + maxHead
)

// Map lists the parts of an object version that are not zeros. Most dumps have large zero areas, which
// stores do not report.
//
// An encoded map is one zstd frame of a line of JSON and, if there is little data in the object, all of
// it. Its content is trusted as much as the object's, because anyone who can write one can write the
// other. Its structure is not trusted.
type Map struct {
	Data    []Range
	Sum     []byte // SHA-256 of these parts
	Content []byte // these parts one after the other, or nil
}

// mapHead is the first line of an encoded map.
type mapHead struct {
	Key     string     `json:"key"`
	ETag    string     `json:"etag"`
	Size    int64      `json:"size"`
	Sum     []byte     `json:"sha256"`
	Content int64      `json:"content"` // bytes that follow
	Data    [][2]int64 `json:"data"`    // offset and length
}

// ErrNoMap means that an object has too few zeros for a map, or that a map cannot be used.
var ErrNoMap = errors.New("no usable data map")

// EncodeMap returns the map of the object version ref, whose content, size bytes in all, src reads. It
// returns ErrNoMap if it would be of no use.
func EncodeMap(ctx context.Context, ref store.Ref, src io.ReaderAt, size int64) ([]byte, error) {
	data, total, err := scan(ctx, src, size)
	if err != nil {
		return nil, err
	}
	withContent := total <= min(maxContent, size*worthwhile/16) && len(data) <= maxRanges
	if !withContent {
		if data, total = join(data); size-total < size*worthwhile/16 || len(data) > maxRanges {
			return nil, ErrNoMap
		}
	}
	head := mapHead{Key: ref.Key, ETag: ref.ETag, Size: size, Data: make([][2]int64, 0, len(data))}
	sum, content := sha256.New(), bytes.Buffer{}
	for _, r := range data {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		to := io.Writer(sum)
		if withContent {
			to = io.MultiWriter(sum, &content)
		}
		if _, err := io.CopyN(to, io.NewSectionReader(src, r.Off, r.Len), r.Len); err != nil {
			return nil, err
		}
		head.Data = append(head.Data, [2]int64{r.Off, r.Len})
	}
	head.Sum, head.Content = sum.Sum(nil), int64(content.Len())
	line, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return z.EncodeAll(append(append(line, '\n'), content.Bytes()...), nil), nil
}

// scan returns the runs of pages that are not zeros, and their total length.
func scan(ctx context.Context, src io.ReaderAt, size int64) (data []Range, total int64, err error) {
	parts := []Range{{0, size}}
	if f, ok := src.(*os.File); ok {
		if known := DataOf(f, size); known != nil {
			parts = known
		}
	}
	buf := make([]byte, pieceSize)
	for _, part := range parts {
		end := part.Off + part.Len
		for off := part.Off / page * page; off < end; off += pieceSize {
			if err := ctx.Err(); err != nil {
				return nil, 0, err
			}
			p := buf[:min(pieceSize, end-off)]
			if n, err := src.ReadAt(p, off); n < len(p) {
				return nil, 0, errors.Join(io.ErrUnexpectedEOF, err)
			}
			for i := 0; i < len(p); i += page {
				n := min(page, len(p)-i)
				if sparsefile.IsZero(p[i : i+n]) {
					continue
				}
				at := off + int64(i)
				if k := len(data) - 1; k >= 0 && data[k].Off+data[k].Len >= at {
					total -= data[k].Len
					data[k].Len = at + int64(n) - data[k].Off
					total += data[k].Len
					continue
				}
				data = append(data, Range{at, int64(n)})
				total += int64(n)
			}
		}
	}
	return data, total, nil
}

// join joins ranges that are less than minGap apart.
func join(data []Range) (joined []Range, total int64) {
	for _, r := range data {
		if k := len(joined) - 1; k >= 0 && r.Off-joined[k].Off-joined[k].Len < minGap {
			joined[k].Len = r.Off + r.Len - joined[k].Off
			continue
		}
		joined = append(joined, r)
	}
	for _, r := range joined {
		total += r.Len
	}
	return joined, total
}

// DecodeMap decodes a map and checks that it belongs to the version that ref identifies, which has size
// bytes. Its memory use is bounded regardless of what b claims. It returns ErrNoMap for a map that
// cannot be used.
func DecodeMap(ref store.Ref, size int64, b []byte) (*Map, error) {
	z, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(2*MaxMap), zstd.WithDecoderMaxWindow(MaxMap))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	in := bufio.NewReader(io.LimitReader(z, MaxMap))
	line, err := in.ReadBytes('\n')
	if err != nil || len(line) > maxHead {
		return nil, fmt.Errorf("%w: damaged", ErrNoMap)
	}
	var head mapHead
	if err := json.Unmarshal(line, &head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoMap, err)
	}
	if head.Key != ref.Key || head.ETag != ref.ETag || head.Size != size || len(head.Sum) != sha256.Size {
		return nil, fmt.Errorf("%w: it belongs to another version", ErrNoMap)
	}
	m, at, total := &Map{Sum: head.Sum, Data: []Range{}}, int64(0), int64(0)
	for _, r := range head.Data {
		if r[0] < at || r[1] <= 0 || r[0] > size || r[1] > size-r[0] {
			return nil, fmt.Errorf("%w: its ranges are wrong", ErrNoMap)
		}
		m.Data = append(m.Data, Range{r[0], r[1]})
		at = r[0] + r[1]
		total += r[1]
	}
	if head.Content == 0 && total > 0 {
		return m, nil
	}
	if head.Content != total || total > maxContent {
		return nil, fmt.Errorf("%w: %d bytes of content for %d", ErrNoMap, head.Content, total)
	}
	m.Content = make([]byte, total)
	if _, err := io.ReadFull(in, m.Content); err != nil {
		return nil, fmt.Errorf("%w: damaged", ErrNoMap)
	}
	return m, nil
}

// Apply makes src use the map.
func (m *Map) Apply(src *Source) {
	src.Data, src.DataSum = m.Data, m.Sum
	if m.Content == nil {
		return
	}
	starts, at := make(map[int64]int64, len(m.Data)), int64(0) // of ranges in the content
	for _, r := range m.Data {
		for off := int64(0); off < r.Len; off += pieceSize {
			starts[r.Off+off] = at + off
		}
		at += r.Len
	}
	readAt := src.ReadAt
	src.ReadAt = func(ctx context.Context, p []byte, off int64) (int, error) {
		if at, ok := starts[off]; ok && at+int64(len(p)) <= int64(len(m.Content)) {
			return copy(p, m.Content[at:]), nil
		}
		return readAt(ctx, p, off) // a copy is continued within a range
	}
}
