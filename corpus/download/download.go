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
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"

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
	// DataSum is the SHA-256 of these parts; nil if unknown. It is compared instead of MD5, which takes
	// seconds for a gigabyte of zeros.
	DataSum []byte
	// Verify checks the content of a complete copy. It is called only if there is neither MD5 nor
	// DataSum; nil means that the content is not checked.
	Verify func(r io.ReaderAt, size int64) error
}

// Progress is called with the number of bytes that have been written. It may be nil.
type Progress func(done, total int64)

// ToWriter writes the object to w. It returns store.ErrCorrupt if the content has another checksum,
// which is known only after the last byte has been written. Verify is not called. Other errors come
// from ReadAt or w.
func ToWriter(ctx context.Context, src *Source, w io.Writer, progress Progress) error {
	sum := src.newSum()
	if err := src.copy(ctx, 0, progress, streamSink{w}, sum); err != nil {
		return err
	}
	return sum.compare(src)
}

// sink takes an object in order.
type sink interface {
	write(p []byte, off int64) error
	// zeros takes n zeros at off.
	zeros(n, off int64) error
}

type streamSink struct{ w io.Writer }

func (s streamSink) write(p []byte, _ int64) error {
	_, err := s.w.Write(p)
	return err
}

func (s streamSink) zeros(n, _ int64) error { return writeZeros(s.w, n) }

func writeZeros(w io.Writer, n int64) error {
	for p := make([]byte, min(n, 256<<10)); n > 0; n -= int64(len(p)) {
		p = p[:min(int64(len(p)), n)]
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// checksum computes the checksum of a source that is to be compared.
type checksum struct {
	hash.Hash      // nil if there is none
	dataOnly  bool // of Data only
}

func (s *Source) newSum() *checksum {
	switch {
	case s.DataSum != nil:
		return &checksum{sha256.New(), true}
	case s.MD5 != nil:
		return &checksum{md5.New(), false}
	}
	return &checksum{}
}

func (c *checksum) data(p []byte) {
	if c.Hash != nil {
		c.Write(p)
	}
}

func (c *checksum) zeros(n int64) {
	if c.Hash != nil && !c.dataOnly {
		writeZeros(c, n) // a hash returns no error
	}
}

// compare returns store.ErrCorrupt if the checksum is not that of the source.
func (c *checksum) compare(s *Source) error {
	if c.Hash == nil {
		return nil
	}
	want, name := s.MD5, "MD5"
	if c.dataOnly {
		want, name = s.DataSum, "SHA-256 of its data"
	}
	if got := c.Sum(nil); !bytes.Equal(got, want) {
		return &store.Error{Op: "read", Key: s.Ref.Key, Kind: store.ErrCorrupt, Err: fmt.Errorf("%s %x, expected %x", name, got, want)}
	}
	return nil
}

// fetched is a piece and its content.
type fetched struct {
	Range
	data chan []byte
}

// copy fetches the object from offset from on, and passes it to sink in order. It adds all of it to
// sum.
func (s *Source) copy(ctx context.Context, from int64, progress Progress, to sink, sum *checksum) error {
	group, ctx := errgroup.WithContext(ctx)
	pieces := make(chan fetched, inFlight-1)
	group.Go(func() error {
		defer close(pieces)
		for r := range s.pieces(from) {
			piece := fetched{r, make(chan []byte, 1)}
			select {
			case pieces <- piece:
			case <-ctx.Done():
				return ctx.Err()
			}
			group.Go(func() error {
				p, err := s.fetch(ctx, r)
				if err == nil {
					piece.data <- p
				}
				return err
			})
		}
		return nil
	})
	group.Go(func() error {
		at := from
		for piece := range pieces {
			if err := skipTo(piece.Off, &at, to, sum); err != nil {
				return err
			}
			select {
			case p := <-piece.data:
				if err := writeAndSum(p, at, to, sum); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
			if at += piece.Len; progress != nil {
				progress(at, s.Size)
			}
		}
		if ctx.Err() != nil { // there may have been more pieces
			return ctx.Err()
		}
		return skipTo(s.Size, &at, to, sum)
	})
	return group.Wait()
}

// pieces yields what must be read from offset from on.
func (s *Source) pieces(from int64) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		data := s.Data
		if data == nil {
			data = []Range{{0, s.Size}}
		}
		for _, r := range data {
			end := r.Off + r.Len
			for off := max(r.Off, from); off < end; off += pieceSize {
				if !yield(Range{off, min(pieceSize, end-off)}) {
					return
				}
			}
		}
	}
}

// skipTo passes the zeros from at to end on, and sets at to end.
func skipTo(end int64, at *int64, to sink, sum *checksum) error {
	n := end - *at
	if n <= 0 {
		return nil
	}
	sum.zeros(n)
	err := to.zeros(n, *at)
	*at = end
	return err
}

// writeAndSum writes a piece while it is added to the checksum, which takes as long.
func writeAndSum(p []byte, off int64, to sink, sum *checksum) error {
	added := make(chan struct{})
	go func() {
		sum.data(p)
		close(added)
	}()
	err := to.write(p, off)
	<-added
	return err
}

// fetch returns the content of a piece.
func (s *Source) fetch(ctx context.Context, r Range) ([]byte, error) {
	p := make([]byte, r.Len)
	n, err := s.ReadAt(ctx, p, r.Off)
	switch {
	case n == len(p):
		return p, nil
	case err == nil || errors.Is(err, io.EOF):
		return nil, &store.Error{Op: "read", Key: s.Ref.Key, Kind: store.ErrCorrupt, Err: fmt.Errorf("it ends at byte %d of %d", r.Off+int64(n), s.Size)}
	}
	return nil, err
}
