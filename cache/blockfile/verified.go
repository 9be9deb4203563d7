package blockfile

import (
	"crypto/md5"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"
)

// ErrChanged means that another program wrote to the data file, or replaced it.
var ErrChanged = errors.New("another program changed the cache's file")

// Digest is the MD5 of an object.
type Digest = [md5.Size]byte

// Mark records in the block map that a version is complete and that its data file was read from
// end to end. It is stored in the last 56 bytes of the header: XXH64 of the version and of what
// follows; Sum, Boot, File and Checked; and 8 bytes of zeros.
//
// A verified file is handed to the kernel, which verifies nothing. So a mark is valid for only
// one state of one file (see [State]): a write, a truncation, a rename over the file or a copy
// restored from elsewhere invalidates it, and so does a reboot of the machine. A file without a
// mark is read block by block, and each block is compared with its checksums.
type Mark struct {
	Sum     Digest // MD5 of the content
	Boot    uint64 // hash of the machine's boot ID
	File    uint64 // hash of the data file's state
	Checked int64  // Unix seconds when content and state were compared
}

const markOffset = headerSize - 56

func (v *Version) encodeMark(m Mark) []byte {
	b := make([]byte, headerSize-markOffset)
	_, _ = binary.Encode(b[8:], binary.LittleEndian, m)
	binary.LittleEndian.PutUint64(b, xxhash.Sum64(append(b[8:len(b):len(b)], v.ID[:]...))^v.seed)
	return b
}

// Mark returns the mark in the header, no matter for which state, or false if there is none.
func (f *File) Mark() (m Mark, ok bool) {
	b := make([]byte, headerSize-markOffset)
	if n, _ := f.blockMap.ReadAt(b, markOffset); n < len(b) {
		return m, false
	}
	_, _ = binary.Decode(b[8:], binary.LittleEndian, &m)
	return m, string(b) == string(f.v.encodeMark(m))
}

// WriteMark writes m to the header.
func (f *File) WriteMark(m Mark) error {
	_, err := f.blockMap.WriteAt(f.v.encodeMark(m), markOffset)
	return err
}

// Valid reports whether m was made in the given boot of the machine and for the current state
// of f's data file.
func (m Mark) Valid(f *File, boot uint64) bool {
	now, err := f.State()
	return err == nil && m.Boot == boot && m.File == now.Hash()
}

// State is the result of fstat(2) on a data file. Equal states imply equal content:
//
//   - a file that was renamed or restored to the path has a different inode, or at least a
//     different ctime, which no program can set;
//   - write(2), truncate(2) and fallocate(2) set mtime and ctime to the current time. A stamped
//     mtime is never the current time, so a write is detected even if the clock of the file
//     system has not advanced since StampAndSync;
//   - a write through a mapping sets both at the first store to a page after the page was
//     written to disk, and StampAndSync writes all pages to disk. On file systems without a
//     disk (tmpfs), a mapping never sets them.
//
// A write to the device below the file system changes none of these, so marks expire.
type State struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
	links        uint64 // not compared
}

// State returns the state of the data file.
func (f *File) State() (State, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.data.Fd()), &st); err != nil {
		return State{}, &os.PathError{Op: "stat", Path: f.data.Name(), Err: err}
	}
	return State{uint64(st.Dev), st.Ino, st.Size, st.Mtim, st.Ctim, uint64(st.Nlink)}, nil
}

// Equal reports whether s and t are states of the same file with the same content.
func (s State) Equal(t State) bool {
	t.links = s.links
	return s == t
}

// EqualUnlinked is Equal for a later state t, but ignores the change of ctime by an unlink.
func (s State) EqualUnlinked(t State) bool {
	if t.links == 0 {
		s.ctime = t.ctime
	}
	return s.Equal(t)
}

// Size returns the size of the file in bytes.
func (s State) Size() int64 { return s.size }

// Hash returns a hash of the fields that Equal compares.
func (s State) Hash() uint64 {
	b := make([]byte, 0, 7*8)
	for _, n := range []int64{int64(s.dev), int64(s.ino), s.size, int64(s.mtime.Sec), int64(s.mtime.Nsec), int64(s.ctime.Sec), int64(s.ctime.Nsec)} {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return xxhash.Sum64(b)
}

// stampBefore is later than any stamped mtime and earlier than any real one; it is in 1987.
const stampBefore = 1 << 29

func (s State) stamped() bool { return s.mtime.Sec < stampBefore }

// StampAndSync sets the size of the data file to that of the object and its mtime to an old
// time, unless the mtime is already stamped, and flushes the file to disk. It returns the state
// of the file, which any later write changes. It may return the error of an earlier write that
// did not reach the disk.
func (f *File) StampAndSync() (State, error) {
	s, err := f.State()
	if err != nil {
		return s, err
	}
	resized := s.size != f.v.Size
	if resized {
		if err := f.data.Truncate(f.v.Size); err != nil {
			return s, err
		}
	}
	if resized || !s.stamped() {
		past := time.Unix(rand.Int64N(stampBefore), rand.Int64N(1e9))
		if err := os.Chtimes(f.data.Name(), time.Time{}, past); err != nil {
			return s, err
		}
	}
	if err := f.fault.check("sync"); err != nil {
		return s, err
	}
	if err := f.data.Sync(); err != nil {
		return s, err
	}
	if s, err = f.State(); err == nil && !s.stamped() {
		err = ErrChanged // or another file is at that path now
	}
	return s, err
}
