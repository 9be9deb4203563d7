package mantatest

import (
	"errors"
	iofs "io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// tree holds the accounts on disk.
type tree struct {
	root string
	now  func() time.Time

	// mu is the lock of Manta's metadata tier. A file and its record are changed together
	// under it, so it is held during disk access. It is taken before names.mu.
	mu    sync.RWMutex
	names nameCache
}

func openTree(root string, now func() time.Time) (*tree, error) {
	if err := os.MkdirAll(filepath.Join(root, reserved, "tmp"), 0o755); err != nil {
		return nil, err
	}
	return &tree{root: root, now: now}, nil
}

// disk returns the path on disk for p.
func (t *tree) disk(p path) string {
	s := t.root
	for _, name := range p {
		s += "/" + diskName(name)
	}
	return s
}

// absent reports whether err means that there is no such file.
func absent(err error) bool {
	return errors.Is(err, iofs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// lookup returns the record of p, or nil if p does not exist.
func (t *tree) lookup(p path) (*record, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.lookupLocked(p)
}

func (t *tree) lookupLocked(p path) (*record, error) {
	disk := t.disk(p)
	fi, err := os.Stat(disk)
	if absent(err) {
		if p.isRoot() {
			return &record{Name: p.base(), Dir: true, virtual: true}, nil
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return t.recordOf(p, disk, fi), nil
}

// recordOf returns the record of p, which is the file fi.
func (t *tree) recordOf(p path, disk string, fi iofs.FileInfo) *record {
	if r := t.readRecord(disk); r != nil && r.of(fi) {
		return r
	}
	r := plainRecord(p.base(), disk, fi)
	r.virtual = p.isRoot()
	return r
}

// open returns the record of the object or directory p and, for an object, an open file with this
// version, which the caller must close.
func (t *tree) open(p path) (*record, *os.File, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	disk := t.disk(p)
	f, err := os.Open(disk)
	if absent(err) {
		r, err := t.lookupLocked(p)
		return r, nil, err
	}
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	r := t.recordOf(p, disk, fi)
	if r.Dir {
		f.Close()
		return r, nil, nil
	}
	return r, f, nil
}

// parentLocked returns the error for writing p if its parent is not a directory.
func (t *tree) parentLocked(p path) error {
	if p.dir().isRoot() {
		return nil
	}
	r, err := t.lookupLocked(p.dir())
	switch {
	case err != nil:
		return err
	case r == nil:
		return apiErrorf(http.StatusNotFound, "DirectoryDoesNotExist", "%s does not exist", p.dir().escaped())
	case !r.Dir:
		return apiErrorf(http.StatusBadRequest, "ParentNotDirectory", "%s is not a directory", p.dir())
	}
	return nil
}

// commit stores the file tmp as the object p with the record r if the current version is still
// base; a nil base means any version.
func (t *tree) commit(p path, tmp string, r *record, base *string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.parentLocked(p); err != nil {
		return err
	}
	old, err := t.lookupLocked(p)
	if err != nil {
		return err
	}
	if err := checkOverwrite(p, old, base); err != nil {
		return err
	}
	fi, err := os.Stat(tmp)
	if err != nil {
		return err
	}
	r.tie(fi)
	disk := t.disk(p)
	if err := t.pinDirLocked(p.dir()); err != nil {
		return err
	}
	if err := t.writeRecord(disk, r); err != nil {
		return err
	}
	if err := os.Rename(tmp, disk); err != nil {
		return err
	}
	t.names.added(filepath.Dir(disk), p.base())
	return nil
}

// checkOverwrite returns the error for writing an object over old, or nil.
func checkOverwrite(p path, old *record, base *string) error {
	if old != nil && old.Dir {
		return apiErrorf(http.StatusBadRequest, "OperationNotAllowedOnDirectory", "%s is a directory", p)
	}
	if base != nil && *base != etagOf(old) {
		return apiErrorf(http.StatusConflict, "ConcurrentRequest", "%s was being concurrently updated", p)
	}
	return nil
}

// etagOf returns the version of r, or "" if r is nil.
func etagOf(r *record) string {
	if r == nil {
		return ""
	}
	return r.ETag
}

// pinDirLocked fixes the time of the directory p, which in Manta does not change with its
// entries. If p is a root that is not on disk, it is created.
func (t *tree) pinDirLocked(p path) error {
	disk := t.disk(p)
	if p.isRoot() {
		return os.MkdirAll(disk, 0o755)
	}
	r, err := t.lookupLocked(p)
	if err != nil || r == nil || t.readRecord(disk) != nil {
		return err
	}
	return t.writeRecord(disk, r)
}

// mkdir creates the directory p with headers. An object in its place is replaced.
func (t *tree) mkdir(p path, headers map[string]string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !p.isRoot() {
		if err := t.parentLocked(p); err != nil {
			return err
		}
	}
	old, err := t.lookupLocked(p)
	if err != nil {
		return err
	}
	if old != nil && old.Dir && !old.virtual && sameHeaders(old.Headers, headers) {
		return nil
	}
	disk := t.disk(p)
	if old != nil && !old.Dir {
		if err := os.Remove(disk); err != nil {
			return err
		}
	}
	if !p.isRoot() {
		if err := t.pinDirLocked(p.dir()); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(disk, 0o755); err != nil {
		return err
	}
	t.names.added(filepath.Dir(disk), p.base())
	return t.writeRecord(disk, &record{Name: p.base(), Dir: true, MTime: t.now(), Headers: headers})
}

// remove removes p if its version is still base; a nil base means any version.
func (t *tree) remove(p path, base *string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, err := t.lookupLocked(p)
	if err != nil {
		return err
	}
	if r == nil {
		return notFound(p)
	}
	if !r.Dir && base != nil && *base != r.ETag {
		return apiErrorf(http.StatusConflict, "ConcurrentRequest", "%s was being concurrently updated", p)
	}
	disk := t.disk(p)
	if err := t.pinDirLocked(p.dir()); err != nil {
		return err
	}
	err = os.Remove(disk)
	if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST) {
		return apiErrorf(http.StatusBadRequest, "DirectoryNotEmpty", "%s is not empty", p)
	}
	if err != nil {
		return err
	}
	_ = os.Remove(t.recordFile(disk)) // useless without the file
	t.names.removed(filepath.Dir(disk), p.base())
	return nil
}

// update applies change to the record of p. Its data and version stay the same.
func (t *tree) update(p path, change func(*record)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, err := t.lookupLocked(p)
	if err != nil {
		return err
	}
	if r == nil {
		return notFound(p)
	}
	change(r)
	r.virtual = false
	if err := os.MkdirAll(filepath.Dir(t.disk(p)), 0o755); err != nil {
		return err
	}
	return t.writeRecord(t.disk(p), r)
}
