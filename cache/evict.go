package cache

import (
	"cmp"
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// evictor frees disk space under Dir. One process at a time evicts.
type evictor struct {
	dir    string
	n      *counters
	lookup func(name string, size int64) *object // the version with these files if it is open here, else nil
	hands  map[string]int64                      // where the clock of a file in use stands; used by one goroutine at a time
}

// stored is a pair of files that the evictor found.
type cachedFile struct {
	path string // without the suffix
	used time.Time
	size int64 // bytes on disk
}

// run measures what the files under Dir take, and evicts until need bytes fit:
// first whole files that nobody has open, least recently used first, then
// blocks of those in use, or the whole of those that are sealed. It returns what is left.
func (e *evictor) run(ctx context.Context, q *quota, need int64) (int64, error) {
	lock, err := e.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer lock.Close()
	files, used, err := e.scan(ctx)
	if err != nil {
		return 0, err
	}
	over := q.excess(used, need)
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
		if unlinkUnused(f.path) {
			delete(e.hands, f.path)
			freed += f.size
			e.n.filesEvicted.Add(1)
			continue
		}
		inUse = append(inUse, f)
	}
	for _, f := range inUse {
		if freed >= over || ctx.Err() != nil {
			break
		}
		freed += e.evictInUse(f, over-freed)
	}
	return max(0, used-freed), nil
}

// lock waits, a little, for other processes' evictors.
func (e *evictor) lock(ctx context.Context) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(e.dir, "evict.lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for i := 0; !flock(f, unix.LOCK_EX); i++ {
		wait := time.NewTimer(5 * time.Millisecond)
		select {
		case <-wait.C:
			if i < 200 {
				continue
			}
			err = errBusy
		case <-ctx.Done():
			wait.Stop()
			err = ctx.Err()
		}
		f.Close()
		return nil, err
	}
	return f, nil
}

// scan finds all pairs of all namespaces, and removes what a crash left behind.
// Names that are not the cache's are not touched.
func (e *evictor) scan(ctx context.Context) (files []cachedFile, used int64, err error) {
	for _, ns := range e.list(e.dir, 32) {
		for _, xx := range e.list(ns, 2) {
			if ctx.Err() != nil {
				return nil, 0, ctx.Err()
			}
			found, n := scanDir(xx)
			files = append(files, found...)
			used += n
		}
	}
	_, err = os.Stat(e.dir)
	return files, used, err
}

// list returns the directories of ours in dir whose names are n hex digits.
func (e *evictor) list(dir string, n int) (paths []string) {
	entries, _ := os.ReadDir(dir) // one that has gone is empty
	for _, d := range entries {
		if path := filepath.Join(dir, d.Name()); isHex(d.Name(), n) && checkDir(path) == nil {
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
			f.used = time.Time{} // a clock was wrong; do not keep it for ever
		}
		if st, err := os.Lstat(f.path + ".data"); err == nil {
			f.size += diskBytes(st)
		}
		files = append(files, f)
	}
	return files, used
}

// diskBytes is what a file takes on disk.
func diskBytes(st os.FileInfo) int64 {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return int64(sys.Blocks) * 512
	}
	return st.Size()
}

// unlinkUnused removes a pair that no process has open or pinned. The lock on
// the map file keeps others from opening the pair meanwhile.
func unlinkUnused(path string) bool {
	records, err := os.OpenFile(path+".map", os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer records.Close()
	if !flock(records, unix.LOCK_EX) || !isAt(records, path+".map") {
		return false
	}
	if data, err := os.OpenFile(path+".data", os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0); err == nil {
		defer data.Close()
		if !flock(data, unix.LOCK_EX) {
			return false
		}
	}
	if err := os.Remove(path + ".data"); err != nil && !os.IsNotExist(err) {
		return false
	}
	return os.Remove(path+".map") == nil
}

// unlinkSealed takes the names of a sealed pair away, whose data was handed to the
// kernel at some time: a mapping of it may live on though every handle is closed, and
// would read zeros from a hole. The space comes back when the last mapping and the last
// handle are gone. The records go first, so that who opens the pair meanwhile finds
// nothing in it.
func unlinkVerified(records *os.File, path string) bool {
	if _, err := records.WriteAt(make([]byte, headerSize-markOffset), markOffset); err != nil {
		return false
	}
	if err := records.Truncate(headerSize); err != nil {
		return false
	}
	if err := os.Remove(path + ".data"); err != nil && !os.IsNotExist(err) {
		return false
	}
	return os.Remove(path+".map") == nil
}
