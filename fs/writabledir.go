package fs

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

// fileBackend stores the files of a writable directory, each as a whole: the custom properties of a
// dump, or the analyzers. Names are file names in the directory. The error for a missing file is of
// kind ErrNotExist.
type fileBackend interface {
	check(name string) error                           // ErrBadName if no file can have that name
	isTemporary(ctx context.Context, name string) bool // whether editors use the name temporarily
	modTime(ctx context.Context) (time.Time, error)    // modification time of the directory
	names(ctx context.Context) ([]string, error)
	stat(ctx context.Context, name string) (size int64, mtime time.Time, err error)
	open(ctx context.Context, name string) (Handle, error) // opens the file for reading
	read(ctx context.Context, name string) ([]byte, error) // the caller owns the result
	// put stores data under name, and removes the file gone unless gone is "".
	put(ctx context.Context, name string, data []byte, gone string) error
	remove(ctx context.Context, name string) error
	rename(ctx context.Context, from, to string) error // replaces the file to
}

// writableDir is a directory of files that can be written.
type writableDir struct {
	fixedDir
	t       *Tree
	backend fileBackend
	key     string      // key of the directory in the store
	id      FileID      // ID of the directory
	fileID  FileID      // ID of a file, without its name
	mode    os.FileMode // mode of all files
}

var _ WritableDir = (*writableDir)(nil)

func (d *writableDir) ID() FileID   { return d.id }
func (d *writableDir) Path() string { return d.id.path() }

func (d *writableDir) Attr(ctx context.Context) (Attr, error) {
	mtime, err := d.backend.modTime(ctx)
	return attrOf(modeDir, 0, mtime), err
}

func (d *writableDir) Open(context.Context) (bool, error) { return false, nil }

// List lists the files that are stored and not hidden, and those being written.
func (d *writableDir) List(ctx context.Context) (Listing, error) {
	var written, hidden []string // read first, so that no file is missed
	d.t.buffers.mu.Lock()
	for _, w := range d.t.buffers.list {
		if w.dir.key == d.key && w.name != "" {
			written, hidden = append(written, w.name), append(hidden, w.name, w.hides)
		}
	}
	d.t.buffers.mu.Unlock()
	all, err := d.backend.names(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(name string) bool { return slices.Contains(hidden, name) })
	all = append(all, written...)
	slices.Sort(all)
	var l names
	for _, name := range all {
		l.add(name, 0, d.idOf(name).Ino())
	}
	return l, nil
}

// idOf returns the ID of the file called name.
func (d *writableDir) idOf(name string) FileID {
	id := d.fileID
	id.name = name
	return id
}

func (d *writableDir) Lookup(ctx context.Context, name string) (Entry, error) {
	return d.entry(ctx, name)
}

// entry sets no TTL because edits add and remove files without invalidating names.
func (d *writableDir) entry(ctx context.Context, name string) (Entry, error) {
	f := &writableFile{dir: d, renames: d.t.renames.Load()}
	f.SetName(name)
	a, err := f.stat(ctx)
	if err != nil {
		return Entry{}, err
	}
	return Entry{Node: f, Attr: a}, nil
}

// isStored reports whether the backend has a file of that name that is not hidden.
func (d *writableDir) isStored(ctx context.Context, name string) (bool, error) {
	if _, hidden := d.t.buffers.find(d, name); hidden {
		return false, nil
	}
	_, _, err := d.backend.stat(ctx, name)
	if errors.Is(err, ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Create creates a file. It is stored when it is closed, unless it is temporary.
func (d *writableDir) Create(ctx context.Context, name string, flags OpenFlags) (Entry, Handle, error) {
	if len(name) > MaxName {
		return Entry{}, nil, ErrNameTooLong
	}
	if err := d.backend.check(name); err != nil {
		return Entry{}, nil, err
	}
	flags.Write = true // a created file is stored even if nothing is written to it
	h, err := d.open(ctx, name, flags, true)
	if err != nil {
		return Entry{}, nil, err
	}
	e, err := d.entry(ctx, name)
	return e, h, err
}

// open opens a file; if create is set, it creates a missing one. Reasons why the file cannot be
// stored are reported here if possible, because shells ignore the result of close(2).
func (d *writableDir) open(ctx context.Context, name string, flags OpenFlags, create bool) (h Handle, err error) {
	if !flags.readOnly() {
		if err := d.t.mayWrite(ctx); err != nil {
			return nil, err
		}
		if !d.backend.isTemporary(ctx, name) {
			if err := d.t.o.Corpus.CanStore(ctx, d.key); err != nil {
				return nil, err
			}
		}
	}
	_, hidden := d.t.buffers.find(d, name)
	if w := d.t.buffers.join(d, name, flags); w != nil {
		h = &bufferHandle{w, flags}
	} else if hidden && !create {
		err = notThere(name)
	} else if flags.readOnly() {
		h, err = d.backend.open(ctx, name)
	} else {
		h, err = d.openNew(ctx, name, flags, create)
	}
	if err != nil {
		return nil, err
	}
	d.t.counts.opens.Add(1)
	return h, nil
}

// openNew opens a file with a new buffer.
func (d *writableDir) openNew(ctx context.Context, name string, flags OpenFlags, create bool) (_ Handle, err error) {
	w, stored := &writeBuffer{dir: d, name: name, writers: 1}, true
	if create { // another client may have created it in the meantime
		if stored, err = d.isStored(ctx, name); err != nil {
			return nil, err
		}
	}
	switch {
	case !stored:
		w.empty, w.temporary = true, d.backend.isTemporary(ctx, name)
	case create && flags.Exclusive:
		return nil, ErrExist
	case flags.Truncate:
		w.empty = true
	default:
		if w.data, err = d.backend.read(ctx, name); err != nil {
			return nil, err
		}
	}
	return &bufferHandle{d.t.buffers.add(w), flags}, nil
}

func (d *writableDir) Remove(ctx context.Context, name string) error {
	unlock, err := d.t.buffers.storing.Lock(ctx, d.key) // waits for a close that is storing the file
	if err != nil {
		return err
	}
	defer unlock()
	stored, err := d.isStored(ctx, name)
	w, _ := d.t.buffers.find(d, name)
	switch {
	case w != nil:
		return d.removeBuffer(ctx, w, stored || err != nil)
	case err != nil:
		return err
	case !stored:
		return notThere(name)
	}
	return d.backend.remove(ctx, name)
}

// removeBuffer removes a file that is being written, including its stored version if there is one.
func (d *writableDir) removeBuffer(ctx context.Context, w *writeBuffer, stored bool) error {
	s := w.state()
	if s.temporary {
		s.name, stored = s.hides, s.hides != ""
	}
	if stored {
		if err := d.backend.remove(ctx, s.name); err != nil && !errors.Is(err, ErrNotExist) {
			return err
		}
	}
	w.discard()
	return nil
}

// Rename renames a file within the directory. Between directories it fails with ErrCrossDevice, and
// mv(1) copies instead.
func (d *writableDir) Rename(ctx context.Context, from string, to Dir, name string, noReplace bool) error {
	other, ok := to.(*writableDir)
	switch {
	case !ok:
		return ErrReadOnly
	case other.key != d.key:
		return ErrCrossDevice
	}
	unlock, err := d.t.buffers.storing.Lock(ctx, d.key)
	if err != nil {
		return err
	}
	defer unlock()
	if err = d.rename(ctx, from, name, noReplace); err == nil {
		d.t.renames.Add(1)
	}
	return err
}

func (d *writableDir) rename(ctx context.Context, from, to string, noReplace bool) error {
	if err := d.backend.check(to); err != nil || from == to {
		return err
	}
	w, _ := d.t.buffers.find(d, from)
	target, _ := d.t.buffers.find(d, to)
	stored, err := d.isStored(ctx, from)
	if err != nil {
		return err
	}
	taken, err := d.isStored(ctx, to)
	switch {
	case err != nil:
		return err
	case w == nil && !stored:
		return notThere(from)
	case noReplace && (taken || target != nil):
		return ErrExist
	case !taken && d.backend.isTemporary(ctx, to):
		return d.renameToTemporary(ctx, w, target, from, to, stored)
	case w != nil:
		return d.commitRename(ctx, w, from, to, stored)
	}
	if err := d.backend.rename(ctx, from, to); err != nil {
		return err
	}
	d.t.buffers.rename(d, nil, to, writeBuffer{})
	return nil
}

// renameToTemporary renames a file to a temporary name, replacing the buffer target of that name.
// The stored file stays as it is, in case the editor or this process dies.
func (d *writableDir) renameToTemporary(ctx context.Context, w, target *writeBuffer, from, to string, stored bool) error {
	if target != nil {
		if err := d.removeBuffer(ctx, target, false); err != nil {
			return err
		}
	}
	if w == nil {
		data, err := d.backend.read(ctx, from)
		if err != nil {
			return err
		}
		d.t.buffers.add(&writeBuffer{dir: d, name: to, data: data, temporary: true, hides: from})
		return nil
	}
	s := w.state()
	s.temporary = true
	if stored {
		s.hides = from
	}
	d.t.buffers.rename(d, w, to, s)
	return nil
}

// commitRename stores a buffer under a name that is not temporary, as when an editor saves a file.
// stored says whether the backend has a file under the old name.
func (d *writableDir) commitRename(ctx context.Context, w *writeBuffer, from, to string, stored bool) error {
	s := w.state()
	gone := s.hides
	if stored && !s.temporary {
		gone = from
	}
	unchanged := false
	if gone == to { // renamed back to its original name
		gone = ""
		_, _, err := d.backend.stat(ctx, to)
		unchanged = err == nil && s.changes == 0
	}
	var err error
	switch {
	case unchanged:
	case stored && s.changes == s.stored:
		err = d.backend.rename(ctx, from, to)
	default:
		err = d.backend.put(ctx, to, s.data, gone)
	}
	if err == nil {
		s.temporary, s.hides = false, ""
		d.t.buffers.rename(d, w, to, s)
	}
	return err
}

// writableFile is the file under a name in a writable directory: the buffer being written, or else
// the stored file. A handle shows one version.
type writableFile struct {
	dir     *writableDir
	renames uint64 // see ID
	name    atomic.Pointer[string]
}

var _ WritableFile = (*writableFile)(nil)

// ID changes with each rename in the tree: a renamed file keeps its node, which must not be
// mistaken for that of its old name.
func (f *writableFile) ID() FileID {
	id := f.dir.idOf(f.called())
	if f.renames > 0 {
		id.version = time.Duration(f.renames).String()
	}
	return id
}

func (f *writableFile) Path() string { return f.dir.Path() + "/" + f.called() }

func (f *writableFile) called() string { return *f.name.Load() }

// SetName implements Renamed.
func (f *writableFile) SetName(name string) { f.name.Store(&name) }

// Attr fails with ErrGone for a file that was removed.
func (f *writableFile) Attr(ctx context.Context) (Attr, error) {
	a, err := f.stat(ctx)
	if errors.Is(err, ErrNotExist) {
		err = ErrGone // it existed when the name was looked up
	}
	return a, err
}

func (f *writableFile) stat(ctx context.Context) (Attr, error) {
	name := f.called()
	w, hidden := f.dir.t.buffers.find(f.dir, name)
	switch {
	case w != nil && !w.isStored():
		return f.attr(w.stat()), nil
	case w == nil && hidden:
		return Attr{}, notThere(name)
	}
	size, mtime, err := f.dir.backend.stat(ctx, name)
	if w != nil && errors.Is(err, ErrNotExist) {
		return f.attr(w.stat()), nil // removed by another client but open here
	}
	return f.attr(size, mtime), err
}

// HandleAttr returns the attributes of a handle's contents, for a file that was removed.
func (f *writableFile) HandleAttr(h Handle) (Attr, bool) {
	s, ok := h.(interface{ Stat() (int64, time.Time) })
	if !ok {
		return Attr{}, false
	}
	return f.attr(s.Stat()), true
}

func (f *writableFile) attr(size int64, mtime time.Time) Attr {
	a := attrOf(f.dir.mode, size, mtime)
	a.Volatile = true
	return a
}

func (f *writableFile) Open(ctx context.Context, flags OpenFlags) (Handle, error) {
	return f.dir.open(ctx, f.called(), flags, false)
}

// Truncate changes the buffer if the file is being written, and otherwise the stored file.
func (f *writableFile) Truncate(ctx context.Context, h Handle, size int64) error {
	if h, ok := h.(*bufferHandle); ok {
		return h.truncate(size)
	}
	name := f.called()
	if w, _ := f.dir.t.buffers.find(f.dir, name); w != nil {
		return w.truncate(size)
	}
	if size > maxFile {
		return ErrFileTooBig
	}
	data, err := f.dir.backend.read(ctx, name)
	if err != nil || int64(len(data)) == size {
		return err
	}
	return f.dir.backend.put(ctx, name, resized(data, size), "")
}
