package ingest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"thothfs/dump"
	"thothfs/internal/sparsefile"
	"thothfs/internal/withctx"
)

const (
	headSize   = 16        // number of bytes that identify a compressed or flattened file
	bufferSize = 128 << 10 // for unpacking
)

// source is the file to upload.
type source struct {
	path        string
	opened      os.FileInfo
	given       *os.File // file at path
	borrowed    bool     // given belongs to the caller
	file        *os.File // file that contains the dump: given, or a temporary file
	size        int64    // size of file
	compression string   // "" if there is none
	flattened   bool     // the uncompressed file is in makedumpfile's flattened format
}

// openSource opens the file at path, or takes given, if not nil, which path only names. If the file is
// compressed or flattened, openSource unpacks it to a temporary file.
func openSource(ctx context.Context, path string, given *os.File, tempDir string) (*source, error) {
	if given != nil {
		s := &source{path: path, given: given, file: given, borrowed: true}
		if err := s.prepare(ctx, tempDir); err != nil {
			s.close()
			return nil, err
		}
		return s, nil
	}
	// Open would wait for the writer of a named pipe.
	if fi, err := os.Stat(path); err != nil {
		return nil, err
	} else if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
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

// HashFile returns Thoth's hash of the dump in a local file. If the file is compressed or
// flattened, HashFile unpacks it to a temporary file in tempDir. Errors come from dump.Hash,
// dump.Rearrange or the file system.
func HashFile(ctx context.Context, path, tempDir string) (dump.ID, error) {
	s, err := openSource(ctx, path, nil, tempDir)
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
	head := make([]byte, headSize)
	n, err := s.given.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	given := io.NewSectionReader(s.given, 0, s.size)
	s.compression = dump.Compression(head[:n])
	switch {
	case s.compression == "" && !dump.Flattened(head[:n]):
		return nil
	case s.compression == "":
		return s.unpack(ctx, given, tempDir)
	}
	r, err := dump.Decompress(given, s.compression)
	if err != nil {
		return err
	}
	defer r.Close() // Read returns its errors
	return s.unpack(ctx, r, tempDir)
}

// unpack writes the uncompressed dump from r to a temporary file and rearranges it if it is
// flattened.
func (s *source) unpack(ctx context.Context, r io.Reader, tempDir string) (err error) {
	if s.file, err = tempFile(tempDir); err != nil {
		s.file = s.given
		return err
	}
	in := bufio.NewReaderSize(withctx.Reader(ctx, r), bufferSize)
	head, err := in.Peek(headSize)
	if err != nil && err != io.EOF {
		return s.unpackError(err)
	}
	if s.flattened = dump.Flattened(head); s.flattened {
		s.size, err = dump.Rearrange(s.file, in)
		if err == nil { // a compressed file ends with its checksum
			_, err = io.Copy(io.Discard, in)
		}
	} else {
		s.size, err = io.Copy(sparsefile.NewWriter(s.file), in)
	}
	if err != nil {
		return s.unpackError(err)
	}
	return s.file.Truncate(s.size)
}

func (s *source) unpackError(err error) error {
	if err == io.ErrUnexpectedEOF {
		err = fmt.Errorf("it is cut short: %w", err)
	}
	return fmt.Errorf("unpacking %s: %w", s.path, err)
}

func (s *source) close() {
	if !s.borrowed {
		s.given.Close()
	}
	if s.unpacked() {
		s.file.Close()
	}
}

// unpacked reports whether the dump is in a temporary file.
func (s *source) unpacked() bool { return s.file != s.given }

// localPath returns the path of the uncompressed dump, for a debugger.
func (s *source) localPath() string {
	if s.unpacked() || s.borrowed {
		return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), s.file.Fd())
	}
	return s.path
}

// givenPath returns a path that leads to the file that was given.
func (s *source) givenPath() string {
	if s.borrowed {
		return fmt.Sprintf("/proc/self/fd/%d", s.given.Fd())
	}
	return s.path
}

// timeSource says what the modification time of the file is: that of a file without a name is when it
// was spooled.
func (s *source) timeSource() string {
	if st, ok := s.opened.Sys().(*syscall.Stat_t); ok && st.Nlink == 0 {
		return "upload"
	}
	return "mtime"
}

// checkUnchanged returns ErrChanged if the file has changed since it was opened.
func (s *source) checkUnchanged() error {
	now, err := s.given.Stat()
	if err != nil {
		return err
	}
	if now.Size() != s.opened.Size() || !now.ModTime().Equal(s.opened.ModTime()) {
		return fmt.Errorf("%s: %w", s.path, ErrChanged)
	}
	return nil
}

// objectName returns the name of the dump's object in the corpus.
func (s *source) objectName() string {
	base := filepath.Base(s.path)
	if s.compression != "" {
		base = dump.TrimCompressionSuffix(base, s.compression)
	}
	return safeName(base)
}
