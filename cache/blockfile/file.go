package blockfile

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"thothfs/cache/cachedir"
	"thothfs/internal/sparsefile"
)

// File is a version's data file and block map, both open. Reads and writes may run
// concurrently, in this and other processes: every result is checked, so no lock is needed.
//
// An open File holds a shared flock on the block map. An evictor must hold that lock
// exclusively to unlink the files.
type File struct {
	v        *Version
	data     *os.File
	blockMap *os.File
	fault    Fault

	refs    int  // guarded by Pool.mu
	dropped bool // guarded by Pool.mu; the last reference closes the file
}

// Status is the result of reading a block.
type Status int

const (
	Absent  Status = iota
	Intact         // the buffer is filled
	Corrupt        // there was a record, but the data does not match it
)

// scratch holds the buffers for one operation on a File.
type scratch struct{ record, block []byte }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// grow returns a slice of n bytes, which reuses b if possible. Its content is undefined.
func grow(b []byte, n int64) []byte {
	return slices.Grow(b[:0], int(n))[:n]
}

// Data returns the data file, which f owns.
func (f *File) Data() *os.File { return f.data }

// Close closes both files (the data file may be nil) and releases their locks. Callers close only
// the files that [Pool.Pin] returned.
func (f *File) Close() {
	f.data.Close()
	f.blockMap.Close()
}

// Fault is called before each disk operation and may make it fail, for tests. It may be nil.
type Fault func(op string) error

func (f Fault) check(op string) error {
	if f == nil {
		return nil
	}
	return f(op)
}

// Read fills dst with the bytes of block b starting at offset from.
func (f *File) Read(b int64, dst []byte, from int64) (Status, error) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	state, err := f.readRecord(s, b)
	if err != nil {
		return Absent, err
	}
	switch state {
	case stateZero:
		clear(dst)
		return Intact, nil
	case statePresent:
		return f.readVerified(b, dst, from, s)
	case statePartial:
		first := from / Page
		if hasPages(s.record, first, pages(from+int64(len(dst)))-first) {
			return f.readVerified(b, dst, from, s)
		}
	}
	return Absent, nil
}

// readRecord reads the record of block b into s.record and returns its state.
func (f *File) readRecord(s *scratch, b int64) (state byte, err error) {
	s.record = grow(s.record, recordSize(f.v.Block))
	if err := f.readRecords(s.record, b); err != nil {
		return stateAbsent, err
	}
	return f.v.recordState(s.record, b), nil
}

// readRecords fills recs with consecutive records, starting with block b. Records beyond the end
// of the file are absent.
func (f *File) readRecords(recs []byte, b int64) error {
	if err := f.fault.check("read"); err != nil {
		return err
	}
	n, err := f.blockMap.ReadAt(recs, recordOffset(f.v.Block, b))
	clear(recs[n:])
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// readVerified reads and verifies the whole pages that contain the requested range, directly
// into dst if the range begins and ends at page boundaries. It verifies them every time,
// because another process may have punched the block since the last read.
func (f *File) readVerified(b int64, dst []byte, from int64, s *scratch) (Status, error) {
	to := from + int64(len(dst))
	first, last := from/Page*Page, min(pages(to)*Page, f.v.Length(b))
	buf := dst
	if first != from || last != to {
		s.block = grow(s.block, last-first)
		buf = s.block
	}
	n, err := f.data.ReadAt(buf, b*f.v.Block+first)
	if err != nil && !errors.Is(err, io.EOF) {
		return Absent, err
	}
	if n < len(buf) || !verify(s.record, buf, first/Page) {
		return f.mismatch(b, s)
	}
	if len(buf) != len(dst) {
		copy(dst, buf[from-first:])
	}
	return Intact, nil
}

// mismatch returns Absent if the record has changed during the read, as in an eviction.
// Otherwise the block is damaged: mismatch clears its record and returns Corrupt.
func (f *File) mismatch(b int64, s *scratch) (Status, error) {
	again := make([]byte, len(s.record))
	if err := f.readRecords(again, b); err != nil || !bytes.Equal(s.record, again) {
		return Absent, err
	}
	return Corrupt, f.clearRecords(b, 1)
}

// ReadWhole fills dst with block b as it is in the data file, and compares it with the record
// of a full block. It clears the record of a block that differs.
func (f *File) ReadWhole(b int64, dst []byte) (Status, error) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	state, err := f.readRecord(s, b)
	if err != nil {
		return Absent, err
	}
	n, err := f.data.ReadAt(dst, b*f.v.Block)
	if err != nil && !errors.Is(err, io.EOF) {
		return Absent, err
	}
	switch {
	case state != statePresent && state != stateZero:
		return Absent, nil
	case n == len(dst) && state == stateZero && sparsefile.IsZero(dst), n == len(dst) && state == statePresent && verify(s.record, dst, 0):
		return Intact, nil
	}
	return f.mismatch(b, s)
}

// MissingBlocks calls fn for each of the n blocks starting at first that is not stored in full.
func (f *File) MissingBlocks(first, n int64, fn func(b int64)) error {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	size := recordSize(f.v.Block)
	s.block = grow(s.block, n*size)
	if err := f.readRecords(s.block, first); err != nil {
		return err
	}
	for i := range n {
		switch f.v.recordState(s.block[i*size:(i+1)*size], first+i) {
		case stateAbsent, statePartial:
			fn(first + i)
		}
	}
	return nil
}

// RecordBatch is the number of records read at a time when all records are read.
const RecordBatch = 1024

// MissingBytes returns the number of bytes in blocks that are not stored in full.
func (f *File) MissingBytes() (n int64, err error) {
	for first := int64(0); first < f.v.Blocks() && err == nil; first += RecordBatch {
		err = f.MissingBlocks(first, min(RecordBatch, f.v.Blocks()-first), func(b int64) { n += f.v.Length(b) })
	}
	return n, err
}

// Write stores the blocks in buf, starting with first: the data, then the records.
func (f *File) Write(first int64, buf []byte) error {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	block, size := f.v.Block, recordSize(f.v.Block)
	n := (int64(len(buf)) + block - 1) / block
	s.block = grow(s.block, n*size)
	clear(s.block)
	written := int64(0) // bytes of buf done so far
	for i := range n {
		data := buf[i*block : min((i+1)*block, int64(len(buf)))]
		state := byte(statePresent)
		if sparsefile.IsZero(data) && f.punchHole((first+i)*block, int64(len(data))) {
			if err := f.writeData(buf[written:i*block], first*block+written); err != nil {
				return err
			}
			state, written, data = stateZero, i*block+int64(len(data)), nil
		}
		f.v.setRecord(s.block[i*size:(i+1)*size], first+i, state, 0, data)
	}
	if err := f.writeData(buf[written:], first*block+written); err != nil {
		return err
	}
	return f.writeRecords(first, s.block)
}

// WritePages stores pages of block b, starting with first, unless the block is stored in full.
// If two calls for the same block run concurrently, one may lose its pages.
func (f *File) WritePages(b, first int64, data []byte) error {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	state, err := f.readRecord(s, b)
	if err != nil || state == statePresent || state == stateZero {
		return err
	}
	if err := f.writeData(data, b*f.v.Block+first*Page); err != nil {
		return err
	}
	// Read the record again, since an evictor may have removed the pages that were there
	// before.
	if state, err = f.readRecord(s, b); err != nil || state == statePresent || state == stateZero {
		return err
	}
	if state == stateAbsent {
		clear(s.record)
	}
	// A block of which all pages are present stays partial: they may come from a hot pack, and a
	// complete version consists only of what the store returned.
	f.v.setRecord(s.record, b, statePartial, first, data)
	return f.writeRecords(b, s.record)
}

func (f *File) writeRecords(first int64, recs []byte) error {
	if err := f.fault.check("record"); err != nil {
		return err
	}
	_, err := f.blockMap.WriteAt(recs, recordOffset(f.v.Block, first))
	return err
}

// clearRecords makes n blocks absent.
func (f *File) clearRecords(first, n int64) error {
	_, err := f.blockMap.WriteAt(make([]byte, n*recordSize(f.v.Block)), recordOffset(f.v.Block, first))
	return err
}

func (f *File) writeData(data []byte, off int64) error {
	if len(data) == 0 {
		return nil
	}
	if err := f.fault.check("write"); err != nil {
		return err
	}
	_, err := f.data.WriteAt(data, off)
	return err
}

// punchHole makes a hole for a block of zeros, so that the data file of a complete version is
// identical to the object.
func (f *File) punchHole(off, n int64) bool {
	return f.fault.check("write") == nil && punch(f.data, off, n) == nil
}

// InPlace reports whether both files are still at their paths.
func (f *File) InPlace() bool {
	return inPlace(f.blockMap) && inPlace(f.data)
}

// Touch sets the time of last use to now if it differs from now by at least every. It reports
// whether the block map is still at its path.
func (f *File) Touch(now time.Time, every time.Duration) bool {
	if !inPlace(f.blockMap) {
		return false
	}
	if st, err := f.blockMap.Stat(); err != nil || now.Sub(st.ModTime()).Abs() >= every {
		_ = os.Chtimes(f.blockMap.Name(), now, now) // only the order of eviction depends on it
	}
	return true
}

// Discard unlinks both files if they are still in place.
func (f *File) Discard() {
	if inPlace(f.blockMap) {
		f.unlinkVerified()
	}
}

// unlinkVerified unlinks the files of a verified version. The kernel may still have a mapping
// of the data file, which would read zeros from a hole; the space is freed with the last
// mapping and the last handle. The records are cleared first, so that a process that opens the
// files in the meantime finds nothing in them.
func (f *File) unlinkVerified() bool {
	if _, err := f.blockMap.WriteAt(make([]byte, headerSize-markOffset), markOffset); err != nil {
		return false
	}
	return f.blockMap.Truncate(headerSize) == nil && unlink(strings.TrimSuffix(f.blockMap.Name(), ".map"))
}

// unlink removes both files at path, which has no suffix. It removes the block map last.
func unlink(path string) bool {
	if err := os.Remove(path + ".data"); err != nil && !os.IsNotExist(err) {
		return false
	}
	return os.Remove(path+".map") == nil
}

// openPair opens the block map and the data file at path, and checks that nobody else can write
// to them.
func openPair(path string, dataMode int) (*File, error) {
	blockMap, err := os.OpenFile(path+".map", os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	data, err := os.OpenFile(path+".data", dataMode|unix.O_NOFOLLOW, 0)
	f := &File{blockMap: blockMap, data: data}
	if err == nil {
		err = cmp.Or(cachedir.CheckFile(blockMap), cachedir.CheckFile(data))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// punch frees n bytes of f on disk, which then read as zeros.
func punch(f *os.File, off, n int64) error {
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
}

// inPlace reports whether f is still the file at its path.
func inPlace(f *os.File) bool {
	a, err := f.Stat()
	b, errPath := os.Lstat(f.Name())
	return err == nil && errPath == nil && os.SameFile(a, b)
}

// diskBytes returns the disk space that a file takes, in bytes.
func diskBytes(st os.FileInfo) int64 { return st.Sys().(*syscall.Stat_t).Blocks * 512 }
