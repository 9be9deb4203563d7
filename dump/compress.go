package dump

import (
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// maxZstdWindow is the largest window that a zstd frame may require, as with zstd --long=30.
// systemd-coredump uses 8 MiB.
const maxZstdWindow = 1 << 30

// compression is one kind of compressed file.
type compression struct {
	kind, magic string
	suffixes    []string
	open        func(io.Reader) (io.ReadCloser, error)
}

// compressions lists the known kinds. All of them read several consecutive streams or frames, as
// their own tools do.
var compressions = []compression{
	{"zstd", "\x28\xb5\x2f\xfd", []string{".zst", ".zstd"}, openZstd},
	{"gzip", "\x1f\x8b", []string{".gz"}, func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }},
	{"xz", "\xfd7zXZ\x00", []string{".xz"}, openXZ},
	{"lz4", "\x04\x22\x4d\x18", []string{".lz4"}, func(r io.Reader) (io.ReadCloser, error) {
		return io.NopCloser(lz4.NewReader(r)), nil
	}},
	{"bzip2", "BZh", []string{".bz2"}, func(r io.Reader) (io.ReadCloser, error) {
		return io.NopCloser(bzip2.NewReader(r)), nil
	}},
}

// Compression returns the compression of a file that starts with head: "zstd", "gzip", "xz",
// "lz4", "bzip2", or "" if none is recognized. Eight bytes of head are enough.
func Compression(head []byte) string {
	for _, c := range compressions {
		if len(head) >= len(c.magic) && string(head[:len(c.magic)]) == c.magic {
			return c.kind
		}
	}
	return ""
}

// Decompress returns the content of r, which is compressed as kind, a result of Compression other
// than "". If the stream is cut short or damaged, Read fails at that point with an error other
// than io.EOF. Memory use depends on the stream: up to 1 GiB for zstd, 4 GiB for xz, a few MiB
// for the others. Close frees the reader's resources but does not close r.
func Decompress(r io.Reader, kind string) (io.ReadCloser, error) {
	for _, c := range compressions {
		if c.kind == kind {
			b := bufio.NewReaderSize(r, 1<<20)
			if _, err := b.Peek(1); err != nil {
				return nil, fmt.Errorf("%s: %w", kind, noEOF(err))
			}
			rc, err := c.open(b)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", kind, noEOF(err))
			}
			return &decompressor{rc, kind}, nil
		}
	}
	return nil, fmt.Errorf("unknown compression %q", kind)
}

// decompressor adds the kind of compression to errors.
type decompressor struct {
	io.ReadCloser
	kind string
}

func (d *decompressor) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%s: %w", d.kind, err)
	}
	return n, err
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func openZstd(r io.Reader) (io.ReadCloser, error) {
	d, err := zstd.NewReader(r,
		zstd.WithDecoderConcurrency(1), // decode within Read, without goroutines
		zstd.WithDecoderMaxWindow(maxZstdWindow),
		zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

// TrimCompressionSuffix removes the suffix of kind from a file name. It returns the name
// unchanged if it has no such suffix or consists only of the suffix.
func TrimCompressionSuffix(name, kind string) string {
	for _, c := range compressions {
		if c.kind != kind {
			continue
		}
		for _, suffix := range c.suffixes {
			if short, ok := strings.CutSuffix(name, suffix); ok && short != "" {
				return short
			}
		}
	}
	return name
}
