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
	// maxFile is the size limit of a file that is written, in bytes.
	maxFile = 16 << 20
	// maxBuffered is the limit of all files being written in one tree, in bytes.
	maxBuffered = 256 << 20
)

// writeBuffer holds the contents of a file while it is written. All handles on the name
// share it; the backend gets the contents as a whole.
//
// A temporary one is a file that an editor puts beside the file it saves. It exists in
// this tree only, until it is renamed to another kind of name or removed.
type writeBuffer struct {
	all *writeBuffers
	dir *writableDir

	// all.mu guards what follows.
	name      string // "" after the file was removed or replaced
	data      []byte
	mtime     time.Time
	writers   int
	temporary bool
	hides     string // a stored file that was renamed to this temporary name, and stays stored
	empty     bool   // the last change was to create the file, or to truncate it at open

	changes uint64 // number of changes so far
	tried   uint64 // changes when storing was last tried
	stored  uint64 // changes when it last succeeded
}

// writeBuffers are all files of a tree that are being written.
type writeBuffers struct {
	storing keyedlock.Mutexes[string] // by directory: held while files are stored, renamed or removed

	mu   sync.Mutex // guards list and the buffers; taken after storing
	list []*writeBuffer
}

// find returns the buffer of a name, or nil, and whether a temporary file hides the
// stored file of that name.
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

// join returns the buffer of a name for one more handle, or nil. A handle that only
// reads gets the stored file when the two are equal: handles may be closed some time
// after close(2) returned.
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

// isStored reports whether the stored file is what was written last. Its text may differ
// from the buffer's: a property is stored as a value.
func (w *writeBuffer) isStored() bool {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	return w.isStoredLocked()
}

func (w *writeBuffer) isStoredLocked() bool { return !w.temporary && w.changes == w.stored }

// add adds a buffer. If another handle has made one of the same name meanwhile, it adds
// the writers to that one and returns it.
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

// change counts a change.
func (w *writeBuffer) change() {
	w.changes++
	w.mtime = time.Now()
}

// discard takes a buffer's name from it: nothing of it is stored.
func (w *writeBuffer) discard() {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	w.discardLocked()
}

func (w *writeBuffer) discardLocked() {
	w.name, w.hides = "", ""
	w.releaseLocked()
}

// releaseLocked forgets a buffer that nobody writes, unless it is a temporary file.
func (w *writeBuffer) releaseLocked() {
	if w.writers == 0 && (w.name == "" || !w.temporary) {
		w.name = ""
		w.all.list = slices.DeleteFunc(w.all.list, func(o *writeBuffer) bool { return o == w })
	}
}

// discardTemporaries discards the temporary files of a directory that is gone.
func (bs *writeBuffers) discardTemporaries(dir string) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	for _, w := range slices.Clone(bs.list) {
		if w.dir.key == dir && w.temporary && w.writers == 0 {
			w.discardLocked()
		}
	}
}

// size returns the number of buffers and of bytes in them.
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

// stat returns the size of a buffer in bytes, and when it was changed.
func (w *writeBuffer) stat() (int64, time.Time) {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	return int64(len(w.data)), w.mtime
}

// write changes a buffer; off -1 is its end.
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

// truncate shortens a buffer, or extends it by zeroes.
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

// resized returns data with another length, zeroes at its end if it grows.
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

// commit stores a buffer if it was changed since it was stored. See WriteHandle.Commit
// for atClose.
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
		w.mtime = mtime // editors check whether the file changed since they wrote it
	}
	return nil
}

func (w *writeBuffer) isDue(atClose bool) bool {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	return w.name != "" && !w.temporary && w.changes > w.stored && !(atClose && w.empty)
}

// rename gives the buffer w, or nil, another name, and discards the buffer that had it.
// s is the state of w that is stored under that name now; of a temporary file it says
// what w hides.
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

// bufferHandle is an open file with a buffer.
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

// Write appends at the end that the buffer has now, whatever off is, if the file was
// opened so.
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

// Close stores a file that was created or emptied and then not written.
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
