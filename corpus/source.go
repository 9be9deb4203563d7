package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"thothfs/dump"
)

// source is the file that is uploaded.
type source struct {
	path     string // as given
	opened   os.FileInfo
	given    *os.File
	file     *os.File // what the dump is read from: given, or where it was unpacked
	size     int64    // of file
	packed   string   // kind of compression, "" none
	unpacked bool     // file is temporary
	flat     bool     // given, or what was packed in it, is in the flattened format
}

// openSource opens the file at path, unpacks it if it is compressed, and rearranges it
// if it is flattened.
func openSource(ctx context.Context, path, tempDir string) (*source, error) {
	// A named pipe would make Open wait.
	if fi, err := os.Stat(path); err != nil {
		return nil, err
	} else if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &source{path: path, given: f, file: f}
	if err := s.prepare(ctx, tempDir); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// HashFile returns Thoth's hash of the dump in a local file. A compressed or flattened
// one is unpacked into tempDir for as long as it takes. The errors are those of
// dump.Hash, of dump.Rearrange and of the file.
func HashFile(ctx context.Context, path, tempDir string) (dump.ID, error) {
	s, err := openSource(ctx, path, tempDir)
	if err != nil {
		return dump.ID{}, err
	}
	defer s.close()
	return dump.Hash(s.file, s.size)
}

func (s *source) prepare(ctx context.Context, tempDir string) (err error) {
	if s.opened, err = s.given.Stat(); err != nil {
		return err
	}
	s.size = s.opened.Size()
	head := make([]byte, 16)
	n, err := s.given.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	given := io.NewSectionReader(s.given, 0, s.size)
	if s.packed = dump.Compression(head[:n]); s.packed == "" {
		if !dump.Flattened(head[:n]) {
			return nil
		}
		return s.unpack(ctx, given, tempDir)
	}
	r, err := dump.Decompress(given, s.packed)
	if err != nil {
		return err
	}
	defer r.Close() // its errors show in Read
	return s.unpack(ctx, r, tempDir)
}

// unpack writes the dump in the stream r to a temporary file.
func (s *source) unpack(ctx context.Context, r io.Reader, tempDir string) error {
	f, err := os.CreateTemp(tempDir, "thothfs-upload-*")
	if err != nil {
		return err
	}
	s.file, s.unpacked = f, true
	// It needs no name, and what has none is not left behind by a process that is killed.
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	head := make([]byte, 16)
	n, err := fill(r, head)
	if err != nil && err != io.EOF {
		return fmt.Errorf("unpacking %s: %w", s.path, err)
	}
	r = io.MultiReader(bytes.NewReader(head[:n]), r)
	if s.flat = dump.Flattened(head[:n]); s.flat {
		s.size, err = dump.Rearrange(f, untilDone{ctx, r})
		if err == nil { // what is packed has its checksum at the end
			_, err = copyContext(ctx, io.Discard, r)
		}
	} else {
		s.size, err = copyContext(ctx, &sparseWriter{f: f}, r)
	}
	if err != nil {
		return fmt.Errorf("unpacking %s: %w", s.path, err)
	}
	return f.Truncate(s.size)
}

func (s *source) close() {
	s.given.Close()
	if s.unpacked {
		s.file.Close()
	}
}

// local is the path of the dump itself, for a debugger.
func (s *source) local() string {
	if s.unpacked {
		return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), s.file.Fd())
	}
	return s.path
}

// unchanged tells whether the file is as it was when it was opened.
func (s *source) unchanged() error {
	now, err := s.given.Stat()
	if err != nil {
		return err
	}
	if now.Size() != s.opened.Size() || !now.ModTime().Equal(s.opened.ModTime()) {
		return fmt.Errorf("%s: %w", s.path, ErrChanged)
	}
	return nil
}

// objectName is what the dump will be called in the corpus.
func (s *source) objectName() string {
	base := filepath.Base(s.path)
	if s.packed != "" {
		base = dump.TrimCompressionSuffix(base, s.packed)
	}
	return safeName(base)
}

// sending is a dump on its way, told to progress.
type sending struct {
	r        io.ReaderAt
	size     int64
	progress func(done, total int64)
}

func (s *sending) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.r.ReadAt(p, off)
	if s.progress != nil && n > 0 {
		s.progress(off+int64(n), s.size)
	}
	return n, err
}

func bytesAt(b []byte) io.ReaderAt { return bytes.NewReader(b) }

// block is how much is copied at once.
const block = 128 << 10

// copyContext copies until r ends or ctx does.
func copyContext(ctx context.Context, w io.Writer, r io.Reader) (n int64, err error) {
	buf := make([]byte, block)
	for {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		m, err := fill(r, buf)
		if _, werr := w.Write(buf[:m]); werr != nil {
			return n, werr
		}
		n += int64(m)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// untilDone is a reader that fails once its context has ended.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// fill is io.ReadFull that leaves r's error as it is: io.EOF is the end, a stream that
// was cut is not.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	if err == io.ErrUnexpectedEOF {
		err = fmt.Errorf("it is cut short: %w", err)
	}
	return n, err
}

// sparseWriter leaves holes for blocks of zeros: most of a dump is zeros.
type sparseWriter struct {
	f   *os.File
	off int64
}

func (w *sparseWriter) Write(p []byte) (int, error) {
	if !allZero(p) {
		if n, err := w.f.WriteAt(p, w.off); err != nil {
			return n, err
		}
	}
	w.off += int64(len(p))
	return len(p), nil
}

func allZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}
