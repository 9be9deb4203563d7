package fs

import (
	"bytes"
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
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
	backend fileBackend
	storing *semaphore.Weighted // of 1: held while the contents are stored or the file is removed

	// writeBuffers.mu guards what follows.
	name      string // "" after the file was removed or replaced
	data      []byte
	mtime     time.Time
	writers   int
	temporary bool
	hides     string // a stored file that was renamed to this temporary name, and stays stored
	counted   int64  // in writeBuffers.bytes

	changes uint64 // number of changes so far
	tried   uint64 // changes when storing was last tried
	stored  uint64 // changes when it last succeeded
	empty   bool   // the last change was to create the file, or to truncate it at open
}

// writeBuffers are all files of a tree that are being written. No method waits.
type writeBuffers struct {
	mu    sync.Mutex // guards what follows, and the buffers
	named map[bufferKey]*writeBuffer
	bytes int64
}

// bufferKey is a name in a writable directory.
type bufferKey struct{ backend, name string }

func (bs *writeBuffers) lockedAt(b fileBackend, name string) *writeBuffer {
	return bs.named[bufferKey{b.key(), name}]
}

// find returns the buffer of a name, or nil.
func (bs *writeBuffers) find(b fileBackend, name string) *writeBuffer {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	return bs.lockedAt(b, name)
}

// join returns the buffer of a name for one more handle, or nil. A handle that only
// reads gets the stored file when the two are equal: handles may be closed some time
// after close(2) returned.
func (bs *writeBuffers) join(b fileBackend, name string, flags OpenFlags) *writeBuffer {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	w := bs.lockedAt(b, name)
	if w == nil || flags.readOnly() && !w.temporary && w.changes == w.stored {
		return nil
	}
	bs.joinLocked(w, !flags.readOnly(), flags.Truncate)
	return w
}

func (bs *writeBuffers) joinLocked(w *writeBuffer, writes, truncate bool) {
	if writes {
		w.writers++
	}
	if truncate {
		w.data, w.empty = nil, true
		w.change()
	}
	bs.countLocked(w)
}

// newBuffer is what a new buffer begins with.
type newBuffer struct {
	data      []byte
	temporary bool
	created   bool   // the file is not stored; closing it stores it
	hides     string // see writeBuffer
}

// create makes the buffer of a name, or joins one that another handle made meanwhile.
func (bs *writeBuffers) create(b fileBackend, name string, writes bool, n newBuffer) *writeBuffer {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	w := bs.lockedAt(b, name)
	if w == nil {
		w = &writeBuffer{
			backend: b, storing: semaphore.NewWeighted(1), name: name,
			data: n.data, mtime: time.Now(), temporary: n.temporary, hides: n.hides, empty: n.created,
		}
		if n.created {
			w.change()
		}
		if bs.named == nil {
			bs.named = map[bufferKey]*writeBuffer{}
		}
		bs.named[bufferKey{b.key(), name}] = w
	}
	bs.joinLocked(w, writes, false)
	return w
}

// change counts a change.
func (w *writeBuffer) change() {
	w.changes++
	w.mtime = time.Now()
}

// closeWriter ends the use of a buffer by a writer. It reports whether that was the last
// one and there are changes that nobody tried to store; release must be called then.
func (bs *writeBuffers) closeWriter(w *writeBuffer) (unsaved bool) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	w.writers--
	if w.writers == 0 && w.name != "" && !w.temporary && w.changes > w.tried {
		return true
	}
	bs.releaseLocked(w)
	return false
}

// release discards a buffer that nobody writes any more.
func (bs *writeBuffers) release(w *writeBuffer) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.releaseLocked(w)
}

func (bs *writeBuffers) releaseLocked(w *writeBuffer) {
	if w.writers == 0 && !w.temporary {
		bs.discardLocked(w)
	}
	bs.countLocked(w)
}

// discard takes a buffer's name from it: nothing of it is stored.
func (bs *writeBuffers) discard(w *writeBuffer) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.discardLocked(w)
}

func (bs *writeBuffers) discardLocked(w *writeBuffer) {
	if w.name != "" {
		delete(bs.named, bufferKey{w.backend.key(), w.name})
		w.name, w.hides = "", ""
	}
	bs.countLocked(w)
}

// discardTemporaries discards the temporary files of a directory that is gone.
func (bs *writeBuffers) discardTemporaries(key string) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	for at, w := range bs.named {
		if at.backend == key && w.temporary && w.writers == 0 {
			bs.discardLocked(w)
		}
	}
}

// countLocked updates the account of bytes. What only readers refer to is not counted:
// it cannot grow.
func (bs *writeBuffers) countLocked(w *writeBuffer) {
	held := int64(0)
	if w.name != "" || w.writers > 0 {
		held = int64(len(w.data))
	}
	bs.bytes += held - w.counted
	w.counted = held
}

// hidden returns the buffer that hides a stored name, or nil.
func (bs *writeBuffers) hidden(b fileBackend, name string) *writeBuffer {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	return bs.hiddenLocked(b, name)
}

func (bs *writeBuffers) hiddenLocked(b fileBackend, name string) *writeBuffer {
	for at, w := range bs.named {
		if at.backend == b.key() && w.hides == name {
			return w
		}
	}
	return nil
}

// show ends the hiding of a name: another file was stored under it.
func (bs *writeBuffers) show(b fileBackend, name string) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.showLocked(b, name)
}

func (bs *writeBuffers) showLocked(b fileBackend, name string) {
	if w := bs.hiddenLocked(b, name); w != nil {
		w.hides = ""
	}
}

// overlay changes the stored names of a directory to those that clients see.
func (bs *writeBuffers) overlay(b fileBackend, stored func() ([]string, error)) (map[string]bool, error) {
	var added, hidden []string // before stored: what is stored meanwhile is among those
	bs.mu.Lock()
	for at, w := range bs.named {
		if at.backend == b.key() {
			added, hidden = append(added, at.name), append(hidden, w.hides)
		}
	}
	bs.mu.Unlock()
	all, err := stored()
	names := map[string]bool{}
	for _, name := range all {
		names[name] = true
	}
	for _, name := range hidden {
		delete(names, name)
	}
	for _, name := range added {
		names[name] = true
	}
	return names, err
}

// size returns the number of buffers and of bytes in them.
func (bs *writeBuffers) size() (buffers, bytes int64) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	return int64(len(bs.named)), bs.bytes
}

// stat returns the size of a buffer in bytes, and when it was changed.
func (bs *writeBuffers) stat(w *writeBuffer) (int64, time.Time) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	return int64(len(w.data)), w.mtime
}

// read copies from a buffer.
func (bs *writeBuffers) read(w *writeBuffer, p []byte, off int64) int {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if off >= int64(len(w.data)) {
		return 0
	}
	return copy(p, w.data[off:])
}

// write changes a buffer; off -1 is its end.
func (bs *writeBuffers) write(w *writeBuffer, data []byte, off int64) error {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if off < 0 {
		off = int64(len(w.data))
	}
	if err := bs.resizeLocked(w, max(int64(len(w.data)), off+int64(len(data)))); err != nil {
		return err
	}
	copy(w.data[off:], data)
	return nil
}

// truncate shortens a buffer, or extends it by zeroes.
func (bs *writeBuffers) truncate(w *writeBuffer, size int64) error {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	return bs.resizeLocked(w, size)
}

func (bs *writeBuffers) resizeLocked(w *writeBuffer, size int64) error {
	switch more := size - int64(len(w.data)); {
	case size > maxFile:
		return ErrFileTooBig
	case more > 0 && bs.bytes+more > maxBuffered:
		return ErrNoRoom
	}
	w.data, w.empty = resized(w.data, size), false
	w.change()
	bs.countLocked(w)
	return nil
}

// resized returns data with another length, zeroes at its end if it grows.
func resized(data []byte, size int64) []byte {
	if size <= int64(len(data)) {
		return data[:size]
	}
	return append(data, make([]byte, size-int64(len(data)))...)
}

// bufferState is a buffer at one moment.
type bufferState struct {
	name    string
	data    []byte // a copy
	changes uint64
	saved   bool // the contents are stored
}

func (bs *writeBuffers) state(w *writeBuffer) bufferState {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	return bufferState{name: w.name, data: bytes.Clone(w.data), changes: w.changes, saved: w.changes == w.stored}
}

// commit stores a buffer if it was changed since it was stored. See WriteHandle.Commit
// for atClose.
func (bs *writeBuffers) commit(ctx context.Context, w *writeBuffer, atClose bool) error {
	if !bs.isDue(w, atClose) {
		return nil
	}
	if err := w.storing.Acquire(ctx, 1); err != nil {
		return err
	}
	defer w.storing.Release(1)
	if !bs.isDue(w, atClose) { // another handle stored it
		return nil
	}
	s := bs.state(w)
	if s.name == "" {
		return nil
	}
	err := w.backend.put(ctx, s.name, s.data, "")
	bs.recordPut(w, s, err == nil)
	if _, mtime, serr := w.backend.stat(ctx, s.name); err == nil && serr == nil {
		bs.setTime(w, s, mtime)
	}
	return err
}

func (bs *writeBuffers) isDue(w *writeBuffer, atClose bool) bool {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	return w.name != "" && !w.temporary && w.changes > w.stored && !(atClose && w.empty)
}

// recordPut records that a state was stored, or that storing it failed.
func (bs *writeBuffers) recordPut(w *writeBuffer, s bufferState, stored bool) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	w.tried = max(w.tried, s.changes)
	if stored {
		w.stored = max(w.stored, s.changes)
		bs.showLocked(w.backend, s.name)
	}
}

// setTime gives a buffer the time of the stored file: editors check whether the file
// changed since they wrote it.
func (bs *writeBuffers) setTime(w *writeBuffer, s bufferState, mtime time.Time) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if w.changes == s.changes {
		w.mtime = mtime
	}
}

// renameTemporary gives a buffer a temporary name and replaces the buffer of that name.
// hides, if not "", is the stored file that it hides from now on.
func (bs *writeBuffers) renameTemporary(w *writeBuffer, to, hides string) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.renameLocked(w, to)
	w.temporary = true
	if hides != "" {
		w.hides = hides
	}
}

// renameStored gives a buffer the name under which state s of it was stored.
func (bs *writeBuffers) renameStored(w *writeBuffer, to string, s bufferState) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.renameLocked(w, to)
	w.temporary, w.hides, w.empty = false, "", false
	w.tried, w.stored = s.changes, s.changes
	bs.showLocked(w.backend, to)
	bs.releaseLocked(w)
}

func (bs *writeBuffers) renameLocked(w *writeBuffer, to string) {
	at := bufferKey{w.backend.key(), to}
	if other := bs.named[at]; other != nil && other != w {
		bs.discardLocked(other)
	}
	delete(bs.named, bufferKey{w.backend.key(), w.name})
	w.name = to
	bs.named[at] = w
}

// storedName returns the name under which the backend may have a file for a buffer: the
// one it hides, its own, or "" for a temporary file that hides none and for a new file
// whose name is hidden.
func (bs *writeBuffers) storedName(w *writeBuffer) string {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	switch {
	case w.temporary:
		return w.hides
	case bs.hiddenLocked(w.backend, w.name) != nil:
		return ""
	}
	return w.name
}

// bufferHandle is an open file with a buffer.
type bufferHandle struct {
	bs    *writeBuffers
	w     *writeBuffer
	flags OpenFlags
}

var _ WriteHandle = (*bufferHandle)(nil)

func (h *bufferHandle) Read(_ context.Context, p []byte, off int64) ([]byte, func(), error) {
	return p[:h.bs.read(h.w, p, off)], nil, nil
}

// Write appends at the end that the buffer has now, whatever off is, if the file was
// opened so.
func (h *bufferHandle) Write(_ context.Context, data []byte, off int64) error {
	if h.flags.Append {
		off = -1
	}
	return h.bs.write(h.w, data, off)
}

func (h *bufferHandle) Stat() (int64, time.Time) { return h.bs.stat(h.w) }

func (h *bufferHandle) Seek(off int64, whence int) (int64, error) {
	size, _ := h.Stat()
	return seekWhole(size, off, whence)
}

func (h *bufferHandle) Commit(ctx context.Context, atClose bool) error {
	if h.flags.readOnly() {
		return nil
	}
	return h.bs.commit(ctx, h.w, atClose)
}

// Close stores a file that was created or emptied and then not written.
func (h *bufferHandle) Close(ctx context.Context) error {
	if h.flags.readOnly() || !h.bs.closeWriter(h.w) {
		return nil
	}
	defer h.bs.release(h.w)
	return h.bs.commit(ctx, h.w, false)
}
