package blockfile

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
	"golang.org/x/sync/singleflight"
	"golang.org/x/sys/unix"

	"thothfs/cache/cachedir"
	"thothfs/internal/filelock"
)

// MaxOpen is the number of Files that a Pool keeps open. Files in use are never closed, so more
// may be open while all of them are being read.
const MaxOpen = 256

var (
	ErrBusy    = errors.New("being evicted")
	ErrForeign = errors.New("the block map in use belongs to another version")
	ErrClosed  = fmt.Errorf("cache: %w", iofs.ErrClosed)
)

// Pool holds the open Files of one namespace. It closes the least recently used first.
type Pool struct {
	dir       string // the cache directory
	namespace string // the directory of the namespace
	fault     Fault
	opening   singleflight.Group // keyed by name and size of the version

	mu     sync.Mutex // guards the fields below, and refs and dropped of each File
	open   *simplelru.LRU[*Version, *File]
	idle   []*File // dropped and unused files; unlock closes them
	live   int     // number of files not closed yet
	closed bool
}

// NewPool returns a Pool for the files in namespace, a subdirectory of dir.
func NewPool(dir, namespace string, fault Fault) *Pool {
	p := &Pool{dir: dir, namespace: filepath.Join(dir, namespace), fault: fault}
	p.open, _ = simplelru.NewLRU(MaxOpen, func(_ *Version, f *File) { p.dropLocked(f) })
	return p
}

// path returns the path of the files with the given name, without suffix.
func (p *Pool) path(name string) string { return filepath.Join(p.namespace, name[:2], name) }

// DataPath returns the path of v's data file.
func (p *Pool) DataPath(v *Version) string { return p.path(v.Name()) + ".data" }

// Usage returns the disk space that v's data file takes, in bytes.
func (p *Pool) Usage(v *Version) int64 {
	st, err := os.Stat(p.DataPath(v))
	if err != nil {
		return 0
	}
	return diskBytes(st)
}

// Acquire returns v's File. It opens or creates the files if they are not open. The caller must
// call Release. Versions are identified by address.
func (p *Pool) Acquire(v *Version) (*File, error) {
	if err := p.fault.check("acquire"); err != nil {
		return nil, err
	}
	for {
		p.mu.Lock()
		f, ok := p.open.Get(v)
		if ok {
			f.refs++
		}
		closed := p.closed
		p.mu.Unlock()
		switch {
		case ok:
			return f, nil
		case closed:
			return nil, ErrClosed
		}
		if _, err, _ := p.opening.Do(fmt.Sprint(v.Name(), v.Size), func() (any, error) { return nil, p.add(v) }); err != nil {
			return nil, err
		}
	}
}

// add opens v's files and adds them to the pool.
func (p *Pool) add(v *Version) error {
	p.mu.Lock()
	again := p.open.Contains(v)
	p.mu.Unlock()
	if again {
		return nil
	}
	f, err := p.openFile(v)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.unlock()
	p.live++
	if p.closed {
		p.dropLocked(f)
		return ErrClosed
	}
	p.open.Add(v, f)
	return nil
}

// Retain takes another reference to a File. The caller must already hold one.
func (p *Pool) Retain(f *File) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f.refs++
}

// Release gives up a reference to f, which may be nil.
func (p *Pool) Release(f *File) {
	if f == nil {
		return
	}
	p.mu.Lock()
	defer p.unlock()
	f.refs--
	if f.dropped && f.refs == 0 {
		p.idle = append(p.idle, f)
	}
}

// Drop closes v's File as soon as nobody uses it.
func (p *Pool) Drop(v *Version) {
	p.mu.Lock()
	defer p.unlock()
	p.open.Remove(v)
}

func (p *Pool) dropLocked(f *File) {
	f.dropped = true
	if f.refs == 0 {
		p.idle = append(p.idle, f)
	}
}

// unlock unlocks p.mu, then closes the idle files.
func (p *Pool) unlock() {
	idle := p.idle
	p.idle = nil
	p.live -= len(idle)
	p.mu.Unlock()
	for _, f := range idle {
		f.Close()
	}
}

// Close closes all files as soon as nobody uses them.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.unlock()
	p.closed = true
	p.open.Purge()
}

// Len returns the number of open Files.
func (p *Pool) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.live
}

// openFile opens or creates v's files. An evictor locks them for a few milliseconds, so
// openFile waits for it, but not for long.
func (p *Pool) openFile(v *Version) (*File, error) {
	if err := p.fault.check("open"); err != nil {
		return nil, err
	}
	var err error
	for i := range 8 {
		var f *File
		if f, err = p.tryOpen(v); err == nil || !errors.Is(err, ErrBusy) {
			return f, err
		}
		time.Sleep(time.Millisecond << i / 2)
	}
	return nil, err
}

// tryOpen locks the block map exclusively if nobody else has it open, and then checks or
// creates it. Otherwise another process or Pool has already done so.
func (p *Pool) tryOpen(v *Version) (*File, error) {
	path := p.path(v.Name())
	blockMap, err := p.create(path + ".map")
	if err != nil {
		return nil, err
	}
	f := &File{v: v, blockMap: blockMap, fault: p.fault}
	if err := f.open(path); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (f *File) open(path string) error {
	if err := cachedir.CheckFile(f.blockMap); err != nil {
		return err
	}
	alone := filelock.TryLock(f.blockMap, filelock.Exclusive) == nil
	if !alone && filelock.TryLock(f.blockMap, filelock.Shared) != nil || !inPlace(f.blockMap) {
		return ErrBusy
	}
	if owned := f.owned(); !alone && !owned {
		return ErrForeign
	} else if err := f.openData(path+".data", !owned); err != nil || !alone {
		return err
	}
	if filelock.TryLock(f.blockMap, filelock.Shared) != nil {
		return ErrBusy
	}
	return nil
}

// create opens a file for reading and writing. It creates the file and the directories between
// dir and the file if they are absent, but dir itself only if its parent exists, so that
// nothing is created in place of a disk that is gone.
func (p *Pool) create(path string) (*os.File, error) {
	for _, dir := range []string{p.dir, p.namespace, filepath.Dir(path)} {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
		if err := cachedir.CheckDir(dir); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
}

// owned reports whether the block map belongs to f's version.
func (f *File) owned() bool {
	h := make([]byte, headerFixed)
	_, err := f.blockMap.ReadAt(h, 0)
	return (err == nil || errors.Is(err, io.EOF)) && f.v.owns(h)
}

// openData opens or creates the data file and sets its size to that of the object; the records
// show what a file that was too short has lost. If fresh is set, it empties both files and
// writes a header.
func (f *File) openData(path string, fresh bool) (err error) {
	if f.data, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600); err != nil {
		return err
	}
	if err := cachedir.CheckFile(f.data); err != nil {
		return err
	}
	if fresh {
		if err := errors.Join(f.blockMap.Truncate(0), f.data.Truncate(0)); err != nil {
			return err
		}
	}
	st, err := f.data.Stat()
	if err == nil && st.Size() != f.v.Size {
		err = f.data.Truncate(f.v.Size)
	}
	if err != nil || !fresh {
		return err
	}
	if err := f.fault.check("header"); err != nil {
		return err
	}
	_, err = f.blockMap.WriteAt(f.v.header(), 0)
	return err
}

// Pin opens v's files with shared locks on both: the lock on the block map prevents others from
// recreating the files, and the lock on the data file keeps evictors away. Pin does not create
// the files. The caller checks the content, and must call Close on the result.
func (p *Pool) Pin(v *Version) (*File, error) {
	path := p.path(v.Name())
	for _, dir := range []string{p.dir, p.namespace, filepath.Dir(path)} {
		if err := cachedir.CheckDir(dir); err != nil {
			return nil, err
		}
	}
	f, err := openPair(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	f.v, f.fault = v, p.fault
	for _, file := range []*os.File{f.blockMap, f.data} {
		if filelock.TryLock(file, filelock.Shared) != nil || !inPlace(file) {
			err = ErrBusy
		}
	}
	if err == nil && !f.owned() {
		err = ErrForeign
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
