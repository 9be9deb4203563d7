package cache

import (
	"context"
	"errors"
	"os"
	"sync"

	"thothfs/cache/blockfile"
	"thothfs/store"
)

var errUnverified = errors.New("not complete and verified")

// LocalFile is a complete version as a local file, which the kernel can read without this
// process. Until Release, the file is pinned: no process evicts, truncates or punches it. It
// may outlive the handle and the cache.
type LocalFile struct {
	o    *openVersion
	file *blockfile.File
	once sync.Once

	mu    sync.Mutex      // guards state
	state blockfile.State // when the content was last known to be correct
}

// LocalFile returns the version as a local file if it is complete, its content has been
// compared with the expected MD5 (see [File.Expect]), or with its checksums if no MD5 is
// expected, and the file has not changed since. It does not wait, and is cheap when it returns
// false. The caller must release the file.
func (f *File) LocalFile() (*LocalFile, bool) {
	o := f.o
	f.mu.Lock()
	closed := f.closed
	f.mu.Unlock()
	if closed || !o.plausible() || !o.c.disk.health.mayRead() {
		return nil, false
	}
	file, err := o.c.disk.files.Pin(&o.Version)
	if err != nil {
		return nil, false
	}
	state, err := o.verifiedState(file)
	if err != nil {
		file.Close()
		if errors.Is(err, blockfile.ErrChanged) {
			o.reportChange()
		}
		return nil, false
	}
	o.c.n.Pinned.Add(1)
	return &LocalFile{o: o, file: file, state: state}, true
}

// reportChange counts and logs a verified file that another program has changed.
func (o *openVersion) reportChange() {
	if !o.changeLogged.Swap(true) {
		o.c.n.Changed.Add(1)
		o.c.options.Log.Warn("another program changed the cache's file of a complete dump, verifying it again (logged once)", "key", o.Ref.Key)
	}
}

// File returns the file, open for reading. Release closes it, so a caller that has passed it to
// the kernel must take it back first.
func (l *LocalFile) File() *os.File { return l.file.Data() }

// Release unpins the file and closes it.
func (l *LocalFile) Release() {
	l.once.Do(func() {
		l.file.Close()
		l.o.c.n.Pinned.Add(-1)
	})
}

// Changed reports whether the file may have changed since it was handed out or last
// verified. It must not be called after Release.
func (l *LocalFile) Changed() bool {
	now, err := l.file.State()
	l.mu.Lock()
	defer l.mu.Unlock()
	return err != nil || !l.state.EqualUnlinked(now)
}

// Verify returns nil if the file contains the version. It reads a changed file to the end,
// fetches damaged blocks again and repairs them in place, so that programs that have the file
// open read correct data from then on. If the file cannot be repaired, the error is
// store.ErrCorrupt or one returned by [File.Complete].
func (l *LocalFile) Verify(ctx context.Context) error {
	if !l.Changed() {
		return nil
	}
	o := l.o
	if !o.retain() {
		return blockfile.ErrClosed
	}
	defer o.release()
	o.reportChange()
	if err := o.complete(ctx, false); err != nil {
		return err
	}
	state, err := o.verifiedState(l.file)
	if err != nil { // another file has taken its place, and was verified instead
		return &store.Error{Op: "read", Key: o.Ref.Key, Kind: store.ErrCorrupt, Err: err}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = state
	return nil
}

// verifiedState returns the state of f's data file if f has a valid mark for that state.
func (o *openVersion) verifiedState(f *blockfile.File) (blockfile.State, error) {
	m, ok := f.Mark()
	if want := o.expected.Load(); !ok || m.Boot != o.c.boot || want != nil && *want != m.Sum {
		return blockfile.State{}, errUnverified
	}
	state, err := f.State()
	if err == nil && state.Hash() != m.File {
		err = blockfile.ErrChanged
	}
	if err == nil && state.Size() != o.Size {
		err = blockfile.ErrForeign
	}
	return state, err
}
