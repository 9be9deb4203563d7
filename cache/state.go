package cache

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"
)

// fileState is what fstat(2) says of a data file. Two equal states are the same bytes:
//
//   - a file that was renamed or restored to the place has another inode, or at least
//     another ctime, which no program can set;
//   - write(2), truncate(2) and fallocate(2) set mtime and ctime to now, and now is
//     never a marked mtime. So a write does not go unseen because the clock of the
//     file system has not moved on since the audit (mark);
//   - a write through a mapping sets them at the first store to a page after the page
//     was written to disk, which is what mark does with all pages. On file systems
//     without a disk (tmpfs) a mapping sets them never.
//
// A write to the device under the file system changes none of it: see auditEvery.
type fileState struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
	links        uint64 // not compared
}

func stateOf(f *os.File) (fileState, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fileState{}, &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return fileState{uint64(st.Dev), st.Ino, st.Size, st.Mtim, st.Ctim, uint64(st.Nlink)}, nil
}

func (s fileState) equal(t fileState) bool {
	t.links = s.links
	return s == t
}

func (s fileState) hash() uint64 {
	b := make([]byte, 0, 7*8)
	for _, n := range []int64{int64(s.dev), int64(s.ino), s.size, int64(s.mtime.Sec), int64(s.mtime.Nsec), int64(s.ctime.Sec), int64(s.ctime.Nsec)} {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return xxhash.Sum64(b)
}

// markedBefore is later than every marked mtime and earlier than every real one: 1987.
const stampBefore = 1 << 29

func (s fileState) stamped() bool { return s.mtime.Sec < stampBefore }

// mark gives the data file its size, and an mtime of long ago unless it has one, and
// writes all of it to the disk, in this order. It returns the state of the file: any write after
// that changes it. An error may be that of an earlier write, which the disk did not
// take after all.
func (p *blockFile) stampAndSync(size int64) (fileState, error) {
	s, err := stateOf(p.data)
	if err != nil {
		return s, err
	}
	resized := s.size != size
	if resized {
		if err := p.data.Truncate(size); err != nil {
			return s, err
		}
	}
	if resized || !s.stamped() {
		past := time.Unix(rand.Int64N(stampBefore), rand.Int64N(1e9))
		if err := os.Chtimes(p.data.Name(), time.Time{}, past); err != nil {
			return s, err
		}
	}
	if err := p.fail("sync"); err != nil {
		return s, err
	}
	if err := p.data.Sync(); err != nil {
		return s, err
	}
	if s, err = stateOf(p.data); err == nil && !s.stamped() {
		err = errChanged // or another file is at that path now
	}
	return s, err
}
