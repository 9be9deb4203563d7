package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"thothfs/store"
)

// LocalFile is a complete version as a local file, to be read by the kernel without
// us. Until Release the file is pinned: no process evicts, truncates or punches it. It
// may outlive the handle and the cache.
type LocalFile struct {
	o    *object
	file *blockFile
	once sync.Once

	mu    sync.Mutex // guards state
	state fileState  // when the file was last known to be the version
}

// LocalFile returns the version as a local file if it is complete, its content was
// compared with the MD5 expected of it (see [File.Expect]), or with its checksums
// where none is, and the file was not changed since. It does not wait, and costs little
// when the answer is no. The caller releases the file.
func (f *File) LocalFile() (*LocalFile, bool) {
	o := f.o
	f.mu.Lock()
	closed := f.closed
	f.mu.Unlock()
	if closed || !o.plausible() || !o.c.disk.health.mayRead() {
		return nil, false
	}
	l, err := o.pin()
	if err != nil {
		if errors.Is(err, errChanged) {
			o.reportChange()
		}
		return nil, false
	}
	o.c.n.pinned.Add(1)
	return l, true
}

// changed counts a sealed file that somebody else has changed.
func (o *object) reportChange() {
	if !o.changeLogged.Swap(true) {
		o.c.n.changed.Add(1)
		o.c.options.Log.Warn("the cache's file of a complete dump was changed by another program, verifying it again (told once)", "key", o.ref.Key)
	}
}

// File returns the file, open for reading, whose owner is l: Release closes it, so
// a caller that has handed it to the kernel takes it back first.
func (l *LocalFile) File() *os.File { return l.file.data }

// Release unpins the file and closes it.
func (l *LocalFile) Release() {
	l.once.Do(func() {
		l.file.close()
		l.o.c.n.pinned.Add(-1)
	})
}

// Changed reports whether the file may hold other bytes than the version, since it was
// handed out or last verified. It is not to be called after Release.
func (l *LocalFile) Changed() bool {
	now, err := stateOf(l.file.data)
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.state
	if now.links == 0 { // unlinking it, as we do, changes its ctime
		was.ctime = now.ctime
	}
	return err != nil || !now.equal(was)
}

// Verify returns nil if the file holds the version, as it does when it was not changed.
// A file that was changed is read to the end, and what is damaged is fetched again and
// mended in place, so that those who have it open read the version from then on. While
// it cannot be mended the error is store.ErrCorrupt or that of [File.Complete].
func (l *LocalFile) Verify(ctx context.Context) error {
	if !l.Changed() {
		return nil
	}
	o := l.o
	if !o.retain() {
		return errClosed
	}
	defer o.release()
	o.reportChange()
	if err := o.complete(ctx, false); err != nil {
		return err
	}
	state, err := o.verifiedState(l.file)
	if err != nil { // the file was replaced as well, and the new one is the version
		return &store.Error{Op: "read", Key: o.ref.Key, Kind: store.ErrCorrupt, Err: err}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = state
	return nil
}

// pin opens o's files under shared locks on both, and checks only then that they
// are what they should be. The lock on the map file keeps others from starting the
// pair anew, the one on the data file keeps evictors off.
func (o *object) pin() (*LocalFile, error) {
	path := o.c.disk.files.path(o.name())
	if err := o.c.disk.files.checkDirs(filepath.Dir(path)); err != nil {
		return nil, err
	}
	records, err := os.OpenFile(path+".map", os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	p := &blockFile{blockMap: records, fault: o.c.disk.files.fault}
	p.data, err = os.OpenFile(path+".data", os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		records.Close()
		return nil, err
	}
	state, err := o.checkPinned(p, path)
	if err != nil {
		p.close()
		return nil, err
	}
	return &LocalFile{o: o, file: p, state: state}, nil
}

func (o *object) checkPinned(p *blockFile, path string) (fileState, error) {
	for _, f := range []*os.File{p.blockMap, p.data} {
		if err := checkFile(f); err != nil {
			return fileState{}, err
		}
		if !flock(f, unix.LOCK_SH) || !isAt(f, path+filepath.Ext(f.Name())) {
			return fileState{}, errBusy
		}
	}
	return o.verifiedState(p)
}

// sealedState returns the state of p's data file if p is sealed in that state.
func (o *object) verifiedState(p *blockFile) (fileState, error) {
	if !p.ownedBy(&o.version) {
		return fileState{}, errForeign
	}
	s, ok := p.verifiedMark(&o.version)
	if want := o.expected.Load(); !ok || s.boot != o.c.boot || want != nil && *want != s.sum {
		return fileState{}, errUnverified
	}
	state, err := stateOf(p.data)
	if err == nil && state.hash() != s.file {
		err = errChanged
	}
	if err == nil && state.size != o.size {
		err = errForeign
	}
	return state, err
}
