package manta

import (
	"crypto/md5"
	"hash"
	"io"
	"sync"
)

// source is the body of an upload: size bytes of src, counted, summed, and
// guaranteed not to be read once the call has returned.
type source struct {
	src  io.ReaderAt
	size int64

	mu     sync.Mutex // guards all below; held while src is read, so that close waits
	off    int64
	sum    hash.Hash
	err    error // why src could not be read
	closed bool
	begun  bool          // somebody has it who will close it
	done   chan struct{} // closed by Close
}

func newSource(src io.ReaderAt, size int64) *source {
	s := &source{src: src, size: size}
	s.rewind()
	return s
}

// rewind makes s ready to be read from the beginning.
func (s *source) rewind() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off, s.sum, s.err, s.closed, s.begun = 0, md5.New(), nil, false, false
	s.done = make(chan struct{})
}

// begin says that the transport has taken over, which will close s.
func (s *source) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun = true
}

// Read reads on. A source that is shorter than it said fails with
// io.ErrUnexpectedEOF.
func (s *source) Read(p []byte) (int, error) {
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

// Close ends the reading.
func (s *source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	return nil
}

// wait returns when nobody will read s any more. net/http may go on writing a
// body for a moment after it has returned the answer.
func (s *source) wait() {
	s.mu.Lock()
	begun, done := s.begun, s.done
	s.mu.Unlock()
	if begun {
		<-done
	}
}

// failure is why src could not be read, or nil.
func (s *source) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// md5 is the sum of what was read.
func (s *source) md5() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sum.Sum(nil)
}
