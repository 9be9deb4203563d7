package blockfile

import (
	"cmp"
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"thothfs/cache/cachedir"
	"thothfs/internal/filelock"
	"thothfs/internal/sparsefile"
)

// Evictor frees disk space under Dir, in all namespaces. Only one process evicts at a time.
type Evictor struct {
	Dir string
	// Lookup returns the version with the given name and size if this process has it open, or
	// nil.
	Lookup        func(name string, size int64) OpenVersion
	Files, Blocks *atomic.Int64 // numbers of files and blocks evicted

	hands map[string]int64 // position of the clock hand in each file in use, as a block number
}

// OpenVersion is a version that this process has open.
type OpenVersion interface {
	// ClearRead reports whether block b was read since the last call.
	ClearRead(b int64) bool
	// Drop closes the version's File as soon as nobody uses it.
	Drop()
}

// cachedFile is a block map and its data file, as found by scan.
type cachedFile struct {
	path string // path without suffix
	used time.Time
	size int64 // bytes on disk
}

// Run measures the disk space used under Dir and evicts as many bytes as excess returns for it:
// first whole files that nobody has open, least recently used first, then blocks of files in
// use, or the whole file if it is verified. It returns the number of bytes still used. Run must
// not be called concurrently.
func (e *Evictor) Run(ctx context.Context, excess func(used int64) int64) (int64, error) {
	lock, err := e.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer lock.Close()
	files, used, err := e.scan(ctx)
	if err != nil {
		return 0, err
	}
	over := excess(used)
	if over == 0 {
		return used, nil
	}
	slices.SortFunc(files, func(a, b cachedFile) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.path, b.path)) })
	freed := int64(0)
	inUse := files[:0]
	for _, f := range files {
		if freed >= over || ctx.Err() != nil {
			break
		}
		if !unlinkUnused(f.path) {
			inUse = append(inUse, f)
			continue
		}
		delete(e.hands, f.path)
		freed += f.size
		e.Files.Add(1)
	}
	for _, f := range inUse {
		if freed >= over || ctx.Err() != nil {
			break
		}
		freed += e.evictInUse(f, over-freed)
	}
	return max(0, used-freed), nil
}

// lock takes the eviction lock. It waits up to a second for the evictors of other processes.
func (e *Evictor) lock(ctx context.Context) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(e.Dir, "evict.lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, time.Second, ErrBusy)
	defer cancel()
	if err := filelock.Lock(limited, f, filelock.Exclusive); err != nil {
		f.Close()
		return nil, cmp.Or(ctx.Err(), context.Cause(limited), err)
	}
	return f, nil
}

// scan finds the files of all namespaces and removes data files that a crash left without a
// block map. It ignores files that are not named like the cache's.
func (e *Evictor) scan(ctx context.Context) (files []cachedFile, used int64, err error) {
	for _, namespace := range subdirs(e.Dir, 32) {
		for _, dir := range subdirs(namespace, 2) {
			if ctx.Err() != nil {
				return nil, 0, ctx.Err()
			}
			found, n := scanDir(dir)
			files = append(files, found...)
			used += n
		}
	}
	_, err = os.Stat(e.Dir)
	return files, used, err
}

// subdirs returns the private directories in dir whose names are n hex digits.
func subdirs(dir string, n int) (paths []string) {
	entries, _ := os.ReadDir(dir) // a directory that is gone counts as empty
	for _, d := range entries {
		if path := filepath.Join(dir, d.Name()); isHex(d.Name(), n) && cachedir.CheckDir(path) == nil {
			paths = append(paths, path)
		}
	}
	return paths
}

func isHex(s string, n int) bool {
	_, err := hex.DecodeString(s)
	return len(s) == n && err == nil
}

func scanDir(dir string) (files []cachedFile, used int64) {
	entries, _ := os.ReadDir(dir)
	now := time.Now()
	for _, d := range entries { // sorted: X.data comes before X.map
		name, suffix, _ := strings.Cut(d.Name(), ".")
		st, err := d.Info()
		if err != nil || !st.Mode().IsRegular() || !isHex(name, 64) || suffix != "map" && suffix != "data" {
			continue
		}
		f := cachedFile{path: filepath.Join(dir, name), size: diskBytes(st), used: st.ModTime()}
		used += f.size
		switch {
		case suffix == "data":
			if _, err := os.Lstat(f.path + ".map"); os.IsNotExist(err) && now.Sub(st.ModTime()) > time.Minute && os.Remove(f.path+".data") == nil {
				used -= f.size
			}
			continue
		case f.used.After(now.Add(time.Hour)):
			f.used = time.Time{} // set by a wrong clock; do not keep the file forever
		}
		if st, err := os.Lstat(f.path + ".data"); err == nil {
			f.size += diskBytes(st)
		}
		files = append(files, f)
	}
	return files, used
}

// unlinkUnused unlinks the files at path unless a process has them open or pinned. The lock on
// the block map prevents other processes from opening them in the meantime.
func unlinkUnused(path string) bool {
	blockMap, err := os.OpenFile(path+".map", os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer blockMap.Close()
	if filelock.TryLock(blockMap, filelock.Exclusive) != nil || !inPlace(blockMap) {
		return false
	}
	if data, err := os.OpenFile(path+".data", os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0); err == nil {
		defer data.Close()
		if filelock.TryLock(data, filelock.Exclusive) != nil {
			return false
		}
	}
	return unlink(path)
}

// evictInUse frees up to want bytes of a file in use, and returns the number of bytes freed. It
// skips a file whose data file is locked, because that file is pinned. It unlinks a verified
// file as a whole.
func (e *Evictor) evictInUse(c cachedFile, want int64) int64 {
	f, err := openPair(c.path, os.O_RDWR)
	if err != nil {
		return 0
	}
	defer f.Close()
	h := make([]byte, headerSize)
	_, err = f.blockMap.ReadAt(h[:headerFixed], 0)
	size, block, ok := parseHeader(h)
	if err != nil || !ok || filelock.TryLock(f.data, filelock.Exclusive) != nil {
		return 0
	}
	f.v = &Version{Size: size, Block: block}
	open := e.Lookup(filepath.Base(c.path), size)
	// A mark, valid or not, shows that the data file may have been handed to the kernel.
	if n, _ := f.blockMap.ReadAt(h[markOffset:], markOffset); n == headerSize-markOffset && !sparsefile.IsZero(h[markOffset:]) {
		if !f.unlinkVerified() {
			return 0
		}
		if open != nil {
			open.Drop()
		}
		delete(e.hands, c.path)
		e.Files.Add(1)
		return c.size
	}
	hand, freed := e.hands[c.path], int64(0)
	for passed := int64(0); passed < 2*f.v.Blocks() && freed < want; {
		if hand >= f.v.Blocks() {
			hand = 0
		}
		n, bytes, err := f.sweep(hand, min(64, f.v.Blocks()-hand), want-freed, open)
		e.Blocks.Add((bytes + block - 1) / block)
		hand, passed, freed = hand+n, passed+n, freed+bytes
		if err != nil {
			break
		}
	}
	if e.hands == nil {
		e.hands = map[string]int64{}
	}
	e.hands[c.path] = hand
	return freed
}

// sweep is one turn of the clock algorithm. It passes over the n blocks starting at first, or
// fewer once want bytes are freed, skips blocks that this process has read since the last pass,
// and punches the others. It returns the number of blocks passed and the number of bytes freed.
// version is nil if only other processes have the file open.
func (f *File) sweep(first, n, want int64, version OpenVersion) (passed, freed int64, err error) {
	block, size := f.v.Block, recordSize(f.v.Block)
	recs := make([]byte, n*size)
	if err := f.readRecords(recs, first); err != nil {
		return 0, 0, err
	}
	run := int64(0) // number of blocks before passed to punch together
	for ; passed < n && freed+run*block < want; passed++ {
		state := recs[passed*size+stateOffset]
		if (state == statePresent || state == statePartial) && (version == nil || !version.ClearRead(first+passed)) {
			run++
			continue
		}
		if err := f.punchBlocks(first+passed-run, run); err != nil {
			return passed, freed, err
		}
		freed += run * block
		run = 0
	}
	if err := f.punchBlocks(first+passed-run, run); err != nil {
		return passed, freed, err
	}
	return passed, freed + run*block, nil
}

// punchBlocks clears the records of n blocks, then punches their data. A reader that has read a
// record but not yet the data finds that the checksums do not match.
func (f *File) punchBlocks(first, n int64) error {
	if n == 0 {
		return nil
	}
	if err := f.clearRecords(first, n); err != nil {
		return err
	}
	return punch(f.data, first*f.v.Block, n*f.v.Block)
}
