package mantatest

import (
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/singleflight"
)

const (
	// bigDir is the minimum number of names for which a directory is cached.
	bigDir = 1000
	// settled is the minimum age at which the mtime of a directory reflects every change.
	settled = 50 * time.Millisecond
	// maxDirs is the maximum number of cached directories.
	maxDirs = 16
)

// nameCache caches the sorted names of big directories, so that serving one page of a listing
// does not require reading a million names. It takes about 50 bytes per name.
type nameCache struct {
	mu     sync.Mutex // guards dirs and its contents
	dirs   map[string]*dirNames
	flight singleflight.Group // keyed by directory, so that concurrent listings read it once
	reads  atomic.Int64       // number of times that a directory was read
}

type dirNames struct {
	sorted []string
	mtime  time.Time // mtime of the directory on disk when sorted was read
}

// page returns the number of names in the directory disk, and a copy of the names selected by
// sub.
func (t *tree) page(disk string, sub func(sorted []string) []string) (total int, part []string, err error) {
	now := time.Now()
	fi, err := os.Stat(disk)
	if absent(err) {
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, err
	}
	mtime := fi.ModTime()
	if total, part, ok := t.names.page(disk, mtime, sub); ok {
		return total, part, nil
	}
	var sorted []string
	if now.Sub(mtime) > settled {
		// The result of a concurrent call is valid if it has the same mtime.
		_, err, _ = t.names.flight.Do(disk, func() (any, error) {
			sorted, err = t.learn(disk, mtime)
			return nil, err
		})
		if total, part, ok := t.names.page(disk, mtime, sub); ok {
			return total, part, nil
		}
	}
	if sorted == nil {
		sorted, err = t.readNames(disk)
	}
	if err != nil {
		return 0, nil, err
	}
	return len(sorted), slices.Clone(sub(sorted)), nil
}

// learn reads the names in the directory disk, which has settled at mtime. If there are many, it
// caches them and returns nil.
func (t *tree) learn(disk string, mtime time.Time) ([]string, error) {
	if _, _, ok := t.names.page(disk, mtime, func([]string) []string { return nil }); ok {
		return nil, nil // cached by a call that ended as this one started
	}
	sorted, err := t.readNames(disk)
	if err != nil || len(sorted) < bigDir || !t.names.remember(disk, mtime, sorted) {
		return sorted, err
	}
	return nil, nil
}

// readNames returns the names in the directory disk in byte order.
func (t *tree) readNames(disk string) ([]string, error) {
	t.names.reads.Add(1)
	f, err := os.Open(disk)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	sorted := all[:0]
	for _, name := range all {
		if strings.HasPrefix(name, hashed) {
			if r := t.readRecord(disk + "/" + name); r != nil {
				sorted = append(sorted, r.Name)
			}
		} else if !strings.HasPrefix(name, reserved) && utf8.ValidString(name) {
			sorted = append(sorted, name)
		}
	}
	slices.Sort(sorted)
	return sorted, nil
}

func (n *nameCache) page(disk string, mtime time.Time, sub func([]string) []string) (int, []string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.dirs[disk]
	if d == nil || !d.mtime.Equal(mtime) {
		return 0, nil, false
	}
	return len(d.sorted), slices.Clone(sub(d.sorted)), true
}

// remember caches the names that the directory disk had at mtime, unless its mtime has changed
// since, in which case names added meanwhile might be missing.
func (n *nameCache) remember(disk string, mtime time.Time, sorted []string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if fi, err := os.Stat(disk); err != nil || !fi.ModTime().Equal(mtime) {
		return false
	}
	if n.dirs == nil {
		n.dirs = map[string]*dirNames{}
	}
	for other := range n.dirs {
		if len(n.dirs) < maxDirs {
			break
		}
		delete(n.dirs, other) // evict any entry; it is read again if needed
	}
	n.dirs[disk] = &dirNames{sorted: sorted, mtime: mtime}
	return true
}

// added records that the server has added name to the directory disk.
func (n *nameCache) added(disk, name string) {
	n.change(disk, func(d *dirNames) {
		if i, found := slices.BinarySearch(d.sorted, name); !found {
			d.sorted = slices.Insert(d.sorted, i, name)
		}
	})
}

// removed records that the server has removed name from the directory disk.
func (n *nameCache) removed(disk, name string) {
	n.change(disk, func(d *dirNames) {
		if i, found := slices.BinarySearch(d.sorted, name); found {
			d.sorted = slices.Delete(d.sorted, i, i+1)
		}
	})
}

func (n *nameCache) change(disk string, f func(*dirNames)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.dirs[disk]
	if d == nil {
		return
	}
	fi, err := os.Stat(disk)
	if err != nil {
		delete(n.dirs, disk)
		return
	}
	f(d)
	d.mtime = fi.ModTime()
}
