package manta

import (
	"crypto/md5"
	"hash"
	"io"
	"sync"
)

// uploadBody is the body of an upload: size bytes of src, counted and hashed. src is not read
// after the call has returned.
type uploadBody struct {
	src  io.ReaderAt
	size int64

	mu     sync.Mutex // guards the fields below; held while src is read, so that Close waits
	off    int64
	sum    hash.Hash
	err    error // error from reading src
	closed bool
	begun  bool          // whether the transport has it and will close it
	done   chan struct{} // closed by Close
}

func newUploadBody(src io.ReaderAt, size int64) *uploadBody {
	s := &uploadBody{src: src, size: size}
	s.rewind()
	return s
}

// rewind starts over at the beginning.
func (s *uploadBody) rewind() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off, s.sum, s.err, s.closed, s.begun = 0, md5.New(), nil, false, false
	s.done = make(chan struct{})
}

// begin marks s as passed to the transport, which will close it.
func (s *uploadBody) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun = true
}

// Read implements io.Reader. If the source is shorter than its size, Read fails with
// io.ErrUnexpectedEOF.
func (s *uploadBody) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, io.ErrClosedPipe
	}
	if s.err != nil {
		return 0, s.err
	}
	if s.off == s.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), s.size-s.off)]
	n, err := s.src.ReadAt(p, s.off)
	s.sum.Write(p[:n])
	s.off += int64(n)
	if n == len(p) {
		return n, nil
	}
	if err == io.EOF || err == nil {
		err = io.ErrUnexpectedEOF
	}
	s.err = err
	return n, err
}

// Close makes further reads fail.
func (s *uploadBody) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	return nil
}

// wait waits until s is no longer read. net/http may continue to write a body for a moment after
// it has returned the response.
func (s *uploadBody) wait() {
	s.mu.Lock()
	begun, done := s.begun, s.done
	s.mu.Unlock()
	if begun {
		<-done
	}
}

// failure returns the error of src, or nil.
func (s *uploadBody) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// md5 returns the MD5 of the bytes read so far.
func (s *uploadBody) md5() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sum.Sum(nil)
}
