package fs

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"thothfs/internal/keyedlock"
)

const (
	// maxFile is the maximum size of a file that is written, in bytes.
	maxFile = 16 << 20
	// maxBuffered is the maximum total size of the buffers of one tree, in bytes.
	maxBuffered = 256 << 20
)

// writeBuffer holds the contents of a file while it is written. It is shared by all handles on the
// name and stored by the backend as a whole.
//
// A temporary buffer is a file that an editor puts beside the file it saves. It exists only in this
// tree, until it is renamed to a name that is not temporary or removed.
type writeBuffer struct {
	all *writeBuffers
	dir *writableDir

	// all.mu guards what follows.
	name      string // "" after the file was removed or replaced
	data      []byte
	mtime     time.Time
	writers   int
	temporary bool
	hides     string // name of the stored file that was renamed to this temporary name
	empty     bool   // no change since the file was created or truncated at open

	changes uint64 // number of changes so far
	tried   uint64 // value of changes when storing was last tried
	stored  uint64 // value of changes when storing last succeeded
}

// writeBuffers holds all files of a tree that are being written.
type writeBuffers struct {
	storing keyedlock.Mutexes[string] // by directory; held while storing, renaming or removing

	mu   sync.Mutex // guards list and the buffers; taken after storing
	list []*writeBuffer
}

// find returns the buffer of a name, or nil, and whether a temporary file hides the stored file of
// that name.
func (bs *writeBuffers) find(d *writableDir, name string) (w *writeBuffer, hidden bool) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	w, hider := bs.findLocked(d, name)
	return w, hider != nil
}

func (bs *writeBuffers) findLocked(d *writableDir, name string) (w, hider *writeBuffer) {
	for _, o := range bs.list {
		if o.dir.key == d.key && o.name == name {
			w = o
		}
		if o.dir.key == d.key && o.hides == name {
			hider = o
		}
	}
	return w, hider
}

// join returns the buffer of a name for another handle, or nil. If the stored file is up to date, a
// read-only handle gets that instead: handles may be closed some time after close(2) returned.
func (bs *writeBuffers) join(d *writableDir, name string, flags OpenFlags) *writeBuffer {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	w, _ := bs.findLocked(d, name)
	if w == nil || flags.readOnly() && w.isStoredLocked() {
		return nil
	}
	if !flags.readOnly() {
		w.writers++
	}
	if flags.Truncate {
		w.data, w.empty = nil, true
		w.change()
	}
	return w
}

// isStored reports whether the latest contents are stored. The stored text may differ from the
// buffer because a property is stored as a value.
func (w *writeBuffer) isStored() bool {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	return w.isStoredLocked()
}

func (w *writeBuffer) isStoredLocked() bool { return !w.temporary && w.changes == w.stored }

// add adds a buffer. If another handle has added one of the same name in the meantime, it adds the
// writers to that buffer and returns it.
func (bs *writeBuffers) add(w *writeBuffer) *writeBuffer {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if other, _ := bs.findLocked(w.dir, w.name); other != nil {
		other.writers += w.writers
		return other
	}
	w.all, w.mtime = bs, time.Now()
	if w.empty {
		w.change()
	}
	bs.list = append(bs.list, w)
	return w
}

// change records a change.
func (w *writeBuffer) change() {
	w.changes++
	w.mtime = time.Now()
}

// discard removes a buffer's name, so that the buffer is never stored.
func (w *writeBuffer) discard() {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	w.discardLocked()
}

func (w *writeBuffer) discardLocked() {
	w.name, w.hides = "", ""
	w.releaseLocked()
}

// releaseLocked drops a buffer that has no writers, unless it is a temporary file.
func (w *writeBuffer) releaseLocked() {
	if w.writers == 0 && (w.name == "" || !w.temporary) {
		w.name = ""
		w.all.list = slices.DeleteFunc(w.all.list, func(o *writeBuffer) bool { return o == w })
	}
}

// discardTemporaries discards the temporary files of a directory that has been removed.
func (bs *writeBuffers) discardTemporaries(dir string) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	for _, w := range slices.Clone(bs.list) {
		if w.dir.key == dir && w.temporary && w.writers == 0 {
			w.discardLocked()
		}
	}
}

// size returns the number of buffers and their total size in bytes.
func (bs *writeBuffers) size() (buffers, bytes int64) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	return int64(len(bs.list)), bs.bytesLocked()
}

func (bs *writeBuffers) bytesLocked() (n int64) {
	for _, w := range bs.list {
		n += int64(len(w.data))
	}
	return n
}

// stat returns the size of a buffer in bytes and its modification time.
func (w *writeBuffer) stat() (int64, time.Time) {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	return int64(len(w.data)), w.mtime
}

// write changes a buffer. An off of -1 appends.
func (w *writeBuffer) write(data []byte, off int64) error {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	if off < 0 {
		off = int64(len(w.data))
	}
	if err := w.resizeLocked(max(int64(len(w.data)), off+int64(len(data)))); err != nil {
		return err
	}
	copy(w.data[off:], data)
	return nil
}

// truncate shortens a buffer or extends it with zeros.
func (w *writeBuffer) truncate(size int64) error {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	return w.resizeLocked(size)
}

func (w *writeBuffer) resizeLocked(size int64) error {
	switch more := size - int64(len(w.data)); {
	case size > maxFile:
		return ErrFileTooBig
	case more > 0 && w.all.bytesLocked()+more > maxBuffered:
		return ErrNoRoom
	}
	w.data, w.empty = resized(w.data, size), false
	w.change()
	return nil
}

// resized returns data with a new length, padded with zeros if it grows.
func resized(data []byte, size int64) []byte {
	if size <= int64(len(data)) {
		return data[:size]
	}
	return append(data, make([]byte, size-int64(len(data)))...)
}

// state returns a copy of a buffer.
func (w *writeBuffer) state() writeBuffer {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	s := *w
	s.data = bytes.Clone(w.data)
	return s
}

// commit stores a buffer if it has changed since it was last stored. See WriteHandle.Commit for
// atClose.
func (w *writeBuffer) commit(ctx context.Context, atClose bool) error {
	if !w.isDue(atClose) {
		return nil
	}
	unlock, err := w.all.storing.Lock(ctx, w.dir.key)
	if err != nil {
		return err
	}
	defer unlock()
	s, b := w.state(), w.dir.backend
	if !s.isDue(atClose) { // another handle stored it
		return nil
	}
	err = b.put(ctx, s.name, s.data, "")
	_, mtime, serr := b.stat(ctx, s.name)
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	w.tried = s.changes
	if err != nil {
		return err
	}
	w.stored = s.changes
	if _, hider := w.all.findLocked(w.dir, s.name); hider != nil {
		hider.hides = ""
	}
	if serr == nil && w.changes == s.changes {
		w.mtime = mtime // editors check whether the file has changed since they wrote it
	}
	return nil
}

func (w *writeBuffer) isDue(atClose bool) bool {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	return w.name != "" && !w.temporary && w.changes > w.stored && !(atClose && w.empty)
}

// rename renames the buffer w, if not nil, and discards any buffer that had the new name. s is the
// state of w that is now stored under that name or, for a temporary file, contains the name that w
// hides.
func (bs *writeBuffers) rename(d *writableDir, w *writeBuffer, to string, s writeBuffer) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	other, hider := bs.findLocked(d, to)
	if other != nil && other != w {
		other.discardLocked()
	}
	if hider != nil && !s.temporary {
		hider.hides = ""
	}
	if w == nil {
		return
	}
	w.name, w.temporary, w.hides = to, s.temporary, s.hides
	if !s.temporary {
		w.tried, w.stored, w.empty = s.changes, s.changes, false
		w.releaseLocked()
	}
}

// bufferHandle is an open file that has a buffer.
type bufferHandle struct {
	*writeBuffer
	flags OpenFlags
}

var _ WriteHandle = (*bufferHandle)(nil)

func (h *bufferHandle) Read(_ context.Context, p []byte, off int64) ([]byte, func(), error) {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	return p[:copy(p, h.data[min(off, int64(len(h.data))):])], nil, nil
}

// Write ignores off and appends to the buffer if the file was opened for appending.
func (h *bufferHandle) Write(_ context.Context, data []byte, off int64) error {
	if h.flags.Append {
		off = -1
	}
	return h.write(data, off)
}

func (h *bufferHandle) Stat() (int64, time.Time) { return h.stat() }

func (h *bufferHandle) Seek(off int64, whence int) (int64, error) {
	size, _ := h.stat()
	return seekWhole(size, off, whence)
}

func (h *bufferHandle) Commit(ctx context.Context, atClose bool) error {
	if h.flags.readOnly() {
		return nil
	}
	return h.commit(ctx, atClose)
}

// Close stores changes that have not been committed, such as a file created but never written.
func (h *bufferHandle) Close(ctx context.Context) (err error) {
	if h.flags.readOnly() {
		return nil
	}
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	h.writers--
	if h.writers == 0 && h.changes > h.tried {
		h.all.mu.Unlock()
		err = h.commit(ctx, false)
		h.all.mu.Lock()
	}
	h.releaseLocked()
	return err
}
