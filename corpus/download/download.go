// Package download copies one object version out of a store, to a file or to a stream.
//
// The object is fetched in pieces of 1 MiB, up to 32 at a time, and written in order. Blocks of
// zeros become holes. A copy to a file grows under a private name in the directory of the file and
// gets its own name when it is complete and verified, so an interrupted copy can be continued: see
// [ToFile].
package download

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"hash"
	"io"
	"sort"

	"golang.org/x/sync/errgroup"

	"thothfs/store"
)

const (
	pieceSize = 1 << 20 // bytes
	// inFlight is the maximum number of pieces being fetched or waiting to be written.
	inFlight = 32
)

// Range is the Len bytes starting at Off.
type Range struct{ Off, Len int64 }

// Source is the object version to copy.
type Source struct {
	Ref  store.Ref
	Size int64
	MD5  []byte // of the whole object, 16 bytes; nil if unknown
	// ReadAt reads from the object, as store.Store.ReadAt does. It is called concurrently.
	ReadAt func(ctx context.Context, p []byte, off int64) (int, error)
	// Data are the parts of the object that may contain something other than zeros, in order. nil
	// means the whole object. What lies between them is not read.
	Data []Range
	// Verify checks the content of a complete copy. It is called only if MD5 is unknown; nil means
	// that the content is not checked.
	Verify func(r io.ReaderAt, size int64) error
}

// Progress is called with the number of bytes that have been written. It may be nil.
type Progress func(done, total int64)

// ToWriter writes the object to w. It returns store.ErrCorrupt if the content differs from MD5, which
// is known only after the last byte has been written. Verify is not called. Other errors come from
// ReadAt or w.
func ToWriter(ctx context.Context, src *Source, w io.Writer, progress Progress) error {
	sum := md5.New()
	err := src.copy(ctx, 0, progress, func(p []byte, _ int64) error {
		_, err := w.Write(p)
		return err
	}, sum)
	if err != nil {
		return err
	}
	return src.compare(sum)
}

// compare returns store.ErrCorrupt if sum differs from the MD5 of the object.
func (s *Source) compare(sum hash.Hash) error {
	if got := sum.Sum(nil); s.MD5 != nil && !bytes.Equal(got, s.MD5) {
		return &store.Error{Op: "read", Key: s.Ref.Key, Kind: store.ErrCorrupt, Err: fmt.Errorf("MD5 %x, expected %x", got, s.MD5)}
	}
	return nil
}

// copy fetches the object from offset from on, and passes it to write in order and in pieces. It adds
// each piece to sum.
func (s *Source) copy(ctx context.Context, from int64, progress Progress, write func(p []byte, off int64) error, sum hash.Hash) error {
	group, ctx := errgroup.WithContext(ctx)
	pieces := make(chan chan []byte, inFlight-1)
	group.Go(func() error {
		defer close(pieces)
		for off := from; off < s.Size; off += pieceSize {
			piece := make(chan []byte, 1)
			select {
			case pieces <- piece:
			case <-ctx.Done():
				return ctx.Err()
			}
			group.Go(func() error {
				p, err := s.fetch(ctx, off)
				if err == nil {
					piece <- p
				}
				return err
			})
		}
		return nil
	})
	group.Go(func() error {
		off := from
		for piece := range pieces {
			select {
			case p := <-piece:
				if err := writeAndSum(p, off, write, sum); err != nil {
					return err
				}
				if off += int64(len(p)); progress != nil {
					progress(off, s.Size)
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}

// writeAndSum writes a piece while it is added to the checksum, which takes as long.
func writeAndSum(p []byte, off int64, write func(p []byte, off int64) error, sum hash.Hash) error {
	added := make(chan struct{})
	go func() {
		sum.Write(p)
		close(added)
	}()
	err := write(p, off)
	<-added
	return err
}

// fetch returns the piece at off.
func (s *Source) fetch(ctx context.Context, off int64) ([]byte, error) {
	p := make([]byte, min(pieceSize, s.Size-off))
	for _, r := range s.dataIn(off, int64(len(p))) {
		part := p[r.Off-off:][:r.Len]
		n, err := s.ReadAt(ctx, part, r.Off)
		switch {
		case n == len(part):
		case err == nil || errors.Is(err, io.EOF):
			return nil, &store.Error{Op: "read", Key: s.Ref.Key, Kind: store.ErrCorrupt,
				Err: fmt.Errorf("it ends at byte %d of %d", r.Off+int64(n), s.Size)}
		default:
			return nil, err
		}
	}
	return p, nil
}

// dataIn returns what must be read of the n bytes at off.
func (s *Source) dataIn(off, n int64) []Range {
	if s.Data == nil {
		return []Range{{off, n}}
	}
	var in []Range
	first := sort.Search(len(s.Data), func(i int) bool { return s.Data[i].Off+s.Data[i].Len > off })
	for _, r := range s.Data[first:] {
		if r.Off >= off+n {
			break
		}
		begin, end := max(r.Off, off), min(r.Off+r.Len, off+n)
		in = append(in, Range{begin, end - begin})
	}
	return in
}
