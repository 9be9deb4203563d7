package cache

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sys/unix"
)

// maxPairs bounds the open pairs of files; those in use are never closed, so
// there may be more while that many are being read at once.
const maxOpenFiles = 256

var (
	errBusy    = errors.New("being evicted")
	errForeign = errors.New("the map file in use is not of this version")
	errClosed  = fmt.Errorf("cache: %w", iofs.ErrClosed)
)

// pairs are the open local files, least recently used closed first.
type filePool struct {
	dir          string // Dir
	namespaceDir string // Dir/NAMESPACEHASH
	fault        func(op string) error

	mu      sync.Mutex // guards all below, and refs and dropped of each pair; held for no I/O
	open    *simplelru.LRU[*object, *blockFile]
	opening map[*object]chan struct{} // closed when done
	idle    []*blockFile              // dropped and unused: closed by whoever unlocks
	live    int                       // not closed yet
	shut    bool
}

func newFilePool(dir, ns string, fault func(string) error) *filePool {
	t := &filePool{dir: dir, namespaceDir: ns, fault: fault, opening: map[*object]chan struct{}{}}
	t.open, _ = simplelru.NewLRU(maxOpenFiles, func(_ *object, p *blockFile) { t.dropLocked(p) })
	return t
}

// path is where o's files are, without the suffix.
func (t *filePool) path(name string) string { return filepath.Join(t.namespaceDir, name[:2], name) }

// acquire returns o's pair, opening it if need be. The caller releases it.
func (t *filePool) acquire(o *object) (*blockFile, error) {
	for {
		t.mu.Lock()
		if p, ok := t.open.Get(o); ok {
			p.refs++
			t.mu.Unlock()
			return p, nil
		}
		opening, shut := t.opening[o], t.shut
		if opening == nil && !shut {
			t.opening[o] = make(chan struct{})
		}
		t.mu.Unlock()
		switch {
		case shut:
			return nil, errClosed
		case opening == nil:
			p, err := t.openFile(o)
			return t.add(o, p, err)
		}
		<-opening
	}
}

// add enters a pair just opened, or not, and lets those who wait for it look.
func (t *filePool) add(o *object, p *blockFile, err error) (*blockFile, error) {
	t.mu.Lock()
	defer t.unlock()
	close(t.opening[o])
	delete(t.opening, o)
	if err != nil {
		return nil, err
	}
	t.live++
	if t.shut {
		t.dropLocked(p)
		return nil, errClosed
	}
	t.open.Add(o, p)
	p.refs++
	return p, nil
}

func (t *filePool) release(p *blockFile) {
	t.mu.Lock()
	defer t.unlock()
	p.refs--
	if p.dropped && p.refs == 0 {
		t.idle = append(t.idle, p)
	}
}

// drop closes o's pair as soon as nobody uses it.
func (t *filePool) drop(o *object) {
	t.mu.Lock()
	defer t.unlock()
	t.open.Remove(o)
}

func (t *filePool) dropLocked(p *blockFile) {
	p.dropped = true
	if p.refs == 0 {
		t.idle = append(t.idle, p)
	}
}

// unlock closes what has become idle, after letting go of the lock.
func (t *filePool) unlock() {
	idle := t.idle
	t.idle = nil
	t.live -= len(idle)
	t.mu.Unlock()
	for _, p := range idle {
		p.close()
	}
}

func (t *filePool) close() {
	t.mu.Lock()
	defer t.unlock()
	t.shut = true
	t.open.Purge()
}

func (t *filePool) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.live
}

// openPair opens or makes o's files. An evictor has them for milliseconds, so
// waiting for one is bounded.
func (t *filePool) openFile(o *object) (*blockFile, error) {
	if err := t.fail("open"); err != nil {
		return nil, err
	}
	var err error
	for i := range 8 {
		var p *blockFile
		if p, err = t.tryOpen(o); err == nil || !errors.Is(err, errBusy) {
			return p, err
		}
		time.Sleep(time.Millisecond << i / 2)
	}
	return nil, err
}

func (t *filePool) fail(op string) error {
	if t.fault == nil {
		return nil
	}
	return t.fault(op)
}

// tryOpen takes the map file exclusively if nobody else has it, to check or
// make it; otherwise those who have it did so.
func (t *filePool) tryOpen(o *object) (*blockFile, error) {
	path := t.path(o.name())
	records, err := t.create(path + ".map")
	if err != nil {
		return nil, err
	}
	p := &blockFile{blockMap: records, fault: t.fault}
	foreign := checkFile(records)
	switch alone := flock(records, unix.LOCK_EX); {
	case foreign != nil:
		err = foreign
	case !alone && !flock(records, unix.LOCK_SH), !isAt(records, path+".map"):
		err = errBusy
	case alone:
		if err = p.initialize(&o.version, path+".data"); err == nil && !flock(records, unix.LOCK_SH) {
			err = errBusy
		}
	default:
		err = p.join(&o.version, path+".data")
	}
	if err != nil {
		records.Close()
		if p.data != nil {
			p.data.Close()
		}
		return nil, err
	}
	return p, nil
}

// create opens a file for reading and writing, and makes it and the
// directories between Dir and it when they are not there. Dir itself is made
// again only where its parent still is: a disk that is gone stays gone.
func (t *filePool) create(path string) (*os.File, error) {
	const flags = os.O_RDWR | os.O_CREATE | unix.O_NOFOLLOW
	if err := t.checkDirs(filepath.Dir(path)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if !errors.Is(err, os.ErrNotExist) {
		return f, err
	}
	for _, dir := range []string{t.dir, t.namespaceDir, filepath.Dir(path)} {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
	}
	return os.OpenFile(path, flags, 0o600)
}

// private returns an error unless the directories down to dir, as far as they are there,
// are this user's alone: then none of them is a link that somebody has left there.
func (t *filePool) checkDirs(dir string) error {
	for _, d := range []string{t.dir, t.namespaceDir, dir} {
		if err := checkDir(d); err != nil {
			if errors.Is(err, os.ErrNotExist) {
				return nil
			}
			return err
		}
	}
	return nil
}

// isAt reports whether f is still the file at path.
func isAt(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(path)
	return err == nil && os.SameFile(a, b)
}

// prepare opens the data file, starting both files anew when the map file is
// not v's.
func (p *blockFile) initialize(v *version, path string) error {
	fresh := !p.ownedBy(v)
	if fresh {
		if err := p.blockMap.Truncate(0); err != nil {
			return err
		}
	}
	if err := p.openData(v, path, fresh); err != nil || !fresh {
		return err
	}
	if err := p.fail("header"); err != nil {
		return err
	}
	_, err := p.blockMap.WriteAt(v.header(), 0)
	return err
}

// join opens the data file of a pair that somebody else has open.
func (p *blockFile) join(v *version, path string) error {
	if !p.ownedBy(v) {
		return errForeign
	}
	return p.openData(v, path, false)
}

func (p *blockFile) ownedBy(v *version) bool {
	h := make([]byte, headerFixed)
	_, err := p.blockMap.ReadAt(h, 0)
	return (err == nil || errors.Is(err, io.EOF)) && v.owns(h)
}

// openData opens the data file and gives it the object's size. The records
// find out what a file that was shorter has lost.
func (p *blockFile) openData(v *version, path string, fresh bool) (err error) {
	if p.data, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600); err != nil {
		return err
	}
	if err := checkFile(p.data); err != nil {
		return err
	}
	if fresh {
		if err := p.data.Truncate(0); err != nil {
			return err
		}
	}
	st, err := p.data.Stat()
	if err != nil || st.Size() == v.size {
		return err
	}
	return p.data.Truncate(v.size)
}
