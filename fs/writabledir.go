package fs

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"thothfs/dump"
)

// fileBackend stores the files of a writable directory, each as a whole: the custom
// properties of a dump, or the analyzers. Names are those in the directory. The error
// for a missing file is of kind ErrNotExist.
type fileBackend interface {
	key() string                                       // the directory in the store
	dump() dump.ID                                     // whose attributes the files have; zero for none
	path() string                                      // of the directory in the tree
	fileID(name string) FileID                         // of a file
	mode() os.FileMode                                 // of all files
	check(name string) error                           // ErrBadName if no file can have that name
	isTemporary(ctx context.Context, name string) bool // whether only an editor uses that name, for a moment
	names(ctx context.Context) ([]string, error)
	stat(ctx context.Context, name string) (size int64, mtime time.Time, err error)
	open(ctx context.Context, name string) (Handle, error) // for reading
	read(ctx context.Context, name string) ([]byte, error) // the caller owns the result
	// put stores data under name, and removes the file gone unless it is "".
	put(ctx context.Context, name string, data []byte, gone string) error
	remove(ctx context.Context, name string) error
	rename(ctx context.Context, from, to string) error // replaces to
}

// writableDir is a directory of files that can be written.
type writableDir struct {
	fixedDir
	t       *Tree
	backend fileBackend
	id      FileID
	attr    func(ctx context.Context) (Attr, error)
}

var _ WritableDir = (*writableDir)(nil)

func (d *writableDir) ID() FileID   { return d.id }
func (d *writableDir) Path() string { return d.backend.path() }

func (d *writableDir) Attr(ctx context.Context) (Attr, error) { return d.attr(ctx) }

func (d *writableDir) Open(context.Context) (bool, error) { return false, nil }

func (d *writableDir) List(ctx context.Context) (Listing, error) {
	all, err := d.t.buffers.overlay(d.backend, func() ([]string, error) { return d.backend.names(ctx) })
	if err != nil {
		return nil, err
	}
	var l names
	for _, name := range slices.Sorted(maps.Keys(all)) {
		l.add(name, 0, d.backend.fileID(name).Ino())
	}
	return l, nil
}

func (d *writableDir) Lookup(ctx context.Context, name string) (Entry, error) {
	d.t.counts.lookups.Add(1)
	return d.entry(ctx, d.file(name))
}

func (d *writableDir) file(name string) *writableFile {
	return &writableFile{t: d.t, backend: d.backend, name: name, renames: d.t.renames.Load()}
}

// entry has no TTL: edits add and remove files without an invalidation of names.
func (d *writableDir) entry(ctx context.Context, f *writableFile) (Entry, error) {
	a, err := f.stat(ctx)
	if err != nil {
		return Entry{}, err
	}
	return Entry{Node: f, Attr: a}, nil
}

// isStored reports whether the backend has a file that is not hidden.
func (d *writableDir) isStored(ctx context.Context, name string) (bool, error) {
	if d.t.buffers.hidden(d.backend, name) != nil {
		return false, nil
	}
	_, _, err := d.backend.stat(ctx, name)
	if errors.Is(err, ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// canStore returns the error that storing the file would have, as far as it is known at
// open: shells ignore the outcome of close(2). A temporary file is not stored.
func (t *Tree) canStore(ctx context.Context, b fileBackend, name string) error {
	if b.isTemporary(ctx, name) {
		return nil
	}
	return t.o.Corpus.CanStore(ctx, b.key())
}

// Create makes a file. It is stored when it is closed, a temporary one never.
func (d *writableDir) Create(ctx context.Context, name string, flags OpenFlags) (Entry, Handle, error) {
	if err := d.t.mayWrite(ctx); err != nil {
		return Entry{}, nil, err
	}
	h, err := d.create(ctx, name, flags)
	if err != nil {
		return Entry{}, nil, err
	}
	e, err := d.entry(ctx, d.file(name))
	if err != nil {
		return Entry{}, nil, err
	}
	d.t.counts.opens.Add(1)
	return e, h, nil
}

func (d *writableDir) create(ctx context.Context, name string, flags OpenFlags) (Handle, error) {
	flags.Write = true // a file that is created is written, if only with nothing
	if len(name) > MaxName {
		return nil, ErrNameTooLong
	}
	if err := d.backend.check(name); err != nil {
		return nil, err
	}
	if err := d.t.canStore(ctx, d.backend, name); err != nil {
		return nil, err
	}
	if w := d.t.buffers.join(d.backend, name, flags); w != nil {
		return &bufferHandle{&d.t.buffers, w, flags}, nil
	}
	n := newBuffer{created: true}
	stored, err := d.isStored(ctx, name) // another client may have created it meanwhile
	switch {
	case err != nil:
		return nil, err
	case !stored:
		n.temporary = d.backend.isTemporary(ctx, name)
	case flags.Exclusive:
		return nil, ErrExist
	case !flags.Truncate:
		n.created = false
		if n.data, err = d.backend.read(ctx, name); err != nil {
			return nil, err
		}
	}
	return &bufferHandle{&d.t.buffers, d.t.buffers.create(d.backend, name, true, n), flags}, nil
}

// claim returns the buffer of a name, or nil, with the right to store or remove it.
// done must be called.
func (d *writableDir) claim(ctx context.Context, name string) (w *writeBuffer, done func(), err error) {
	for {
		w = d.t.buffers.find(d.backend, name)
		if w == nil {
			return nil, func() {}, nil
		}
		if err := w.storing.Acquire(ctx, 1); err != nil {
			return nil, nil, err
		}
		if d.t.buffers.find(d.backend, name) == w {
			return w, func() { w.storing.Release(1) }, nil
		}
		w.storing.Release(1) // its last close was faster
	}
}

func (d *writableDir) Remove(ctx context.Context, name string) error {
	if err := d.t.mayWrite(ctx); err != nil {
		return err
	}
	w, done, err := d.claim(ctx, name) // a close that is storing it comes first
	if err != nil {
		return err
	}
	defer done()
	if w == nil {
		stored, err := d.isStored(ctx, name)
		if err == nil && !stored {
			err = notThere(name)
		}
		if err != nil {
			return err
		}
		return d.backend.remove(ctx, name)
	}
	if stored := d.t.buffers.storedName(w); stored != "" {
		if err := d.backend.remove(ctx, stored); err != nil && !errors.Is(err, ErrNotExist) {
			return err // a file that was never stored is missing
		}
	}
	d.t.buffers.discard(w)
	return nil
}

// Rename renames a file within the directory. Between directories it fails with
// ErrCrossDevice: mv(1) copies then.
func (d *writableDir) Rename(ctx context.Context, from string, to Dir, name string, noReplace bool) error {
	other, ok := to.(*writableDir)
	switch {
	case !ok:
		return ErrReadOnly
	case other.backend.key() != d.backend.key():
		return ErrCrossDevice
	}
	if err := d.t.mayWrite(ctx); err != nil {
		return err
	}
	err := d.rename(ctx, from, name, noReplace)
	if err == nil {
		d.t.renames.Add(1)
	}
	return err
}

func (d *writableDir) rename(ctx context.Context, from, to string, noReplace bool) error {
	if err := d.backend.check(to); err != nil || from == to {
		return err
	}
	w, done, err := d.claim(ctx, from)
	if err != nil {
		return err
	}
	defer done()
	// No other call claims two: clients rename in a directory one at a time.
	target, targetDone, err := d.claim(ctx, to)
	if err != nil {
		return err
	}
	defer targetDone()
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
		return d.renameToTemporary(ctx, w, from, to, stored)
	case w == nil:
		err := d.backend.rename(ctx, from, to)
		if err == nil && target != nil {
			d.t.buffers.discard(target)
		}
		if err == nil {
			d.t.buffers.show(d.backend, to)
		}
		return err
	}
	return d.commitRename(ctx, w, from, to, stored)
}

// renameToTemporary gives a file a temporary name. The stored file stays as it is, in
// case the editor or this process dies.
func (d *writableDir) renameToTemporary(ctx context.Context, w *writeBuffer, from, to string, stored bool) error {
	hides := ""
	if stored {
		hides = from
	}
	if target := d.t.buffers.find(d.backend, to); target != nil {
		if old := d.t.buffers.storedName(target); old != "" && old != to {
			if err := d.backend.remove(ctx, old); err != nil {
				return err
			}
		}
		d.t.buffers.discard(target)
	}
	if w != nil {
		d.t.buffers.renameTemporary(w, to, hides)
		return nil
	}
	data, err := d.backend.read(ctx, from)
	if err == nil {
		d.t.buffers.create(d.backend, to, false, newBuffer{data: data, temporary: true, hides: hides})
	}
	return err
}

// commitRename stores a buffer under a name that is not temporary: an editor's save.
// stored says whether the backend has a file under the old name.
func (d *writableDir) commitRename(ctx context.Context, w *writeBuffer, from, to string, stored bool) error {
	s := d.t.buffers.state(w)
	gone := d.t.buffers.storedName(w)
	if !stored && gone == from {
		gone = ""
	}
	unchanged := false
	if gone == to { // back where it came from
		gone = ""
		_, _, serr := d.backend.stat(ctx, to)
		unchanged = serr == nil && s.changes == 0
	}
	var err error
	switch {
	case unchanged:
	case stored && s.saved:
		err = d.backend.rename(ctx, from, to)
	default:
		err = d.backend.put(ctx, to, s.data, gone)
	}
	if err == nil {
		d.t.buffers.renameStored(w, to, s)
	}
	return err
}

// writableFile is a file in a writable directory, by its name: what is being written
// under it, else what is stored. A handle shows one version.
type writableFile struct {
	t       *Tree
	backend fileBackend
	renames uint64 // see ID

	mu   sync.Mutex // guards name
	name string
}

var _ WritableFile = (*writableFile)(nil)

// ID changes with each rename in the tree: a renamed file keeps its node, which must not
// be taken for that of its former name.
func (f *writableFile) ID() FileID {
	id := f.backend.fileID(f.called())
	if f.renames > 0 {
		id.version = time.Duration(f.renames).String()
	}
	return id
}

func (f *writableFile) Path() string { return f.backend.path() + "/" + f.called() }

func (f *writableFile) called() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.name
}

// SetName implements Renamed.
func (f *writableFile) SetName(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.name = name
}

// Attr fails with ErrGone for a file that was removed.
func (f *writableFile) Attr(ctx context.Context) (Attr, error) {
	a, err := f.stat(ctx)
	if errors.Is(err, ErrNotExist) {
		err = ErrGone // it was there when its name was looked up
	}
	return a, err
}

func (f *writableFile) stat(ctx context.Context) (Attr, error) {
	var (
		name  = f.called()
		size  int64
		mtime time.Time
		err   error
	)
	if w := f.t.buffers.find(f.backend, name); w != nil {
		size, mtime = f.t.buffers.stat(w)
	} else if f.t.buffers.hidden(f.backend, name) != nil {
		err = notThere(name)
	} else {
		size, mtime, err = f.backend.stat(ctx, name)
	}
	if err != nil {
		return Attr{}, err
	}
	return f.attr(size, mtime), nil
}

// HandleAttr returns the attributes of what a handle has, for a file that was removed.
func (f *writableFile) HandleAttr(h Handle) (Attr, bool) {
	s, ok := h.(interface{ Stat() (int64, time.Time) })
	if !ok {
		return Attr{}, false
	}
	size, mtime := s.Stat()
	return f.attr(size, mtime), true
}

func (f *writableFile) attr(size int64, mtime time.Time) Attr {
	a := attrOf(f.backend.mode(), size, mtime)
	a.Volatile = true
	return a
}

func (f *writableFile) Open(ctx context.Context, flags OpenFlags) (Handle, error) {
	if !flags.readOnly() {
		if err := f.t.mayWrite(ctx); err != nil {
			return nil, err
		}
	}
	h, err := f.open(ctx, flags)
	if err == nil {
		f.t.counts.opens.Add(1)
	}
	return h, err
}

func (f *writableFile) open(ctx context.Context, flags OpenFlags) (Handle, error) {
	name := f.called()
	if !flags.readOnly() {
		if err := f.t.canStore(ctx, f.backend, name); err != nil {
			return nil, err
		}
	}
	if w := f.t.buffers.join(f.backend, name, flags); w != nil {
		return &bufferHandle{&f.t.buffers, w, flags}, nil
	}
	if f.t.buffers.hidden(f.backend, name) != nil {
		return nil, notThere(name)
	}
	if flags.readOnly() {
		return f.backend.open(ctx, name)
	}
	n := newBuffer{created: flags.Truncate}
	if !flags.Truncate {
		var err error
		if n.data, err = f.backend.read(ctx, name); err != nil {
			return nil, err
		}
	}
	return &bufferHandle{&f.t.buffers, f.t.buffers.create(f.backend, name, true, n), flags}, nil
}

// Truncate changes what is being written, or, if nobody writes the file, what is stored.
func (f *writableFile) Truncate(ctx context.Context, h Handle, size int64) error {
	if err := f.t.mayWrite(ctx); err != nil {
		return err
	}
	if h, ok := h.(*bufferHandle); ok {
		return f.t.buffers.truncate(h.w, size)
	}
	name := f.called()
	if w := f.t.buffers.find(f.backend, name); w != nil {
		return f.t.buffers.truncate(w, size)
	}
	if size > maxFile {
		return ErrFileTooBig
	}
	data, err := f.backend.read(ctx, name)
	if err != nil || int64(len(data)) == size {
		return err
	}
	return f.backend.put(ctx, name, resized(data, size), "")
}
