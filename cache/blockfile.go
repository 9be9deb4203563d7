package cache

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// pair is a version's two open files. Reads and writes may run concurrently,
// here and in other processes: every result is checked, so none needs a lock.
//
// While a pair is open it holds a shared flock on the map file, by which an
// evictor, who needs it exclusively, knows not to unlink the files.
type blockFile struct {
	data, blockMap *os.File
	fault          func(op string) error // nil but in tests

	refs    int  // guarded by pairs.mu
	dropped bool // guarded by pairs.mu: close with the last reference
}

// answer is what the disk says of a block.
type blockStatus int

const (
	absent  blockStatus = iota
	intact              // the buffer is filled
	corrupt             // there was a record, but the data is not what it says
)

// scratch is memory for one operation on a pair.
type scratch struct{ record, again, block []byte }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// grow returns b with n bytes.
func grow(b []byte, n int64) []byte {
	if int64(cap(b)) < n {
		return make([]byte, n)
	}
	return b[:n]
}

func (p *blockFile) close() {
	p.data.Close()
	p.blockMap.Close()
}

func (p *blockFile) fail(op string) error {
	if p.fault == nil {
		return nil
	}
	return p.fault(op)
}

// read fills dst with the bytes of block b from offset from of the block on.
func (p *blockFile) read(v *version, b int64, dst []byte, from int64) (blockStatus, error) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	s.record = grow(s.record, recordSize(v.block))
	if err := p.readRecord(v, s.record, b); err != nil {
		return absent, err
	}
	switch v.recordState(s.record, b) {
	case stateZero:
		clear(dst)
		return intact, nil
	case statePresent:
		return p.readVerified(v, b, dst, from, s)
	case statePartial:
		first := from / page
		if hasPages(s.record, first, (from+int64(len(dst))+page-1)/page-first) {
			return p.readVerified(v, b, dst, from, s)
		}
	}
	return absent, nil
}

// record reads the record of block b; one beyond the end is absent.
func (p *blockFile) readRecord(v *version, rec []byte, b int64) error {
	if err := p.fail("read"); err != nil {
		return err
	}
	n, err := p.blockMap.ReadAt(rec, recordOffset(v.block, b))
	clear(rec[n:])
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// state reads the record of block b and returns what it says.
func (p *blockFile) blockState(v *version, rec []byte, b int64) (byte, error) {
	if err := p.readRecord(v, rec, b); err != nil {
		return stateAbsent, err
	}
	return v.recordState(rec, b), nil
}

// verified reads whole pages around the range asked for, straight into dst
// where it begins and ends with a page, and checks every one of them. It does
// so every time: another process may have punched the block since the last.
func (p *blockFile) readVerified(v *version, b int64, dst []byte, from int64, s *scratch) (blockStatus, error) {
	to := from + int64(len(dst))
	first, last := from/page*page, min((to+page-1)/page*page, v.length(b))
	buf := dst
	if first != from || last != to {
		s.block = grow(s.block, last-first)
		buf = s.block
	}
	n, err := p.data.ReadAt(buf, b*v.block+first)
	if err != nil && !errors.Is(err, io.EOF) {
		return absent, err
	}
	if n < len(buf) || !verify(s.record, buf, int(first/page)) {
		return p.mismatch(v, b, s)
	}
	if len(buf) != len(dst) {
		copy(dst, buf[from-first:])
	}
	return intact, nil
}

// mismatch tells an eviction that overtook the read from damage, and clears
// the record of a damaged block.
func (p *blockFile) mismatch(v *version, b int64, s *scratch) (blockStatus, error) {
	s.again = grow(s.again, int64(len(s.record)))
	if err := p.readRecord(v, s.again, b); err != nil {
		return absent, err
	}
	if !bytes.Equal(s.record, s.again) {
		return absent, nil
	}
	clear(s.again)
	_, err := p.blockMap.WriteAt(s.again, recordOffset(v.block, b))
	return corrupt, err
}

// missing calls fn for each of n blocks from first that is not there in full.
func (p *blockFile) missingBlocks(v *version, first, n int64, fn func(b int64)) error {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	size := recordSize(v.block)
	s.block = grow(s.block, n*size)
	if err := p.readRecord(v, s.block, first); err != nil {
		return err
	}
	for i := range n {
		switch v.recordState(s.block[i*size:(i+1)*size], first+i) {
		case stateAbsent, statePartial:
			fn(first + i)
		}
	}
	return nil
}

// write stores the blocks that buf holds, from first on: the data, then the
// records that vouch for it.
func (p *blockFile) write(v *version, first int64, buf []byte) error {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	n, size := (int64(len(buf))+v.block-1)/v.block, recordSize(v.block)
	s.block = grow(s.block, n*size)
	begun := int64(0) // where the run of blocks begins that is not written yet
	for i := range n {
		b := buf[i*v.block : min((i+1)*v.block, int64(len(buf)))]
		state := byte(statePresent)
		if isZero(b) && p.punchHole((first+i)*v.block, int64(len(b))) {
			state = stateZero
			if err := p.writeData(buf[begun*v.block:i*v.block], (first+begun)*v.block); err != nil {
				return err
			}
			begun = i + 1
		}
		v.encodeRecord(s.block[i*size:(i+1)*size], first+i, state, b)
	}
	if begun < n {
		if err := p.writeData(buf[begun*v.block:], (first+begun)*v.block); err != nil {
			return err
		}
	}
	if err := p.fail("record"); err != nil {
		return err
	}
	_, err := p.blockMap.WriteAt(s.block, recordOffset(v.block, first))
	return err
}

// writePages stores pages of block b, of which data has those from first on,
// unless the block is there in full. Two who do so at once may lose each other's.
func (p *blockFile) writePages(v *version, b, first int64, data []byte) error {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	s.record = grow(s.record, recordSize(v.block))
	state, err := p.blockState(v, s.record, b)
	if err != nil || state == statePresent || state == stateZero {
		return err
	}
	if err := p.writeData(data, b*v.block+first*page); err != nil {
		return err
	}
	// Once more: an evictor may have taken the pages that were there before.
	if state, err = p.blockState(v, s.record, b); err != nil || state == statePresent || state == stateZero {
		return err
	}
	if state == stateAbsent {
		clear(s.record)
	}
	if err := p.fail("record"); err != nil {
		return err
	}
	v.addPages(s.record, b, first, data)
	_, err = p.blockMap.WriteAt(s.record, recordOffset(v.block, b))
	return err
}

func (p *blockFile) writeData(data []byte, off int64) error {
	if len(data) == 0 {
		return nil
	}
	if err := p.fail("write"); err != nil {
		return err
	}
	_, err := p.data.WriteAt(data, off)
	return err
}

// hole makes a hole where a block of zeros belongs, over whatever was there, so
// that the data file of a complete version is the object itself.
func (p *blockFile) punchHole(off, n int64) bool {
	return p.fail("write") == nil && punch(p.data, off, n) == nil
}

// flock takes or changes a lock without waiting.
func flock(f *os.File, how int) bool {
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}
