package fs

import (
	"context"
	"sync"
	"time"
)

const (
	// maxFile is how large a file may become that is written, in bytes.
	maxFile = 16 << 20
	// maxDrafts is how much may be in the making at a time in one mount, in bytes.
	maxDrafts = 256 << 20
)

// draft is a file while it is written: what its writers have written so far, shared
// by all handles on its name. The store gets it as a whole.
//
// A temporary one is the file that an editor puts beside the one it saves. It lives
// in this mount alone, until it is renamed to something else, or removed.
type draft struct {
	shelf shelf
	turn  chan struct{} // holds a token while nobody stores the draft, or removes it

	// drafts.mu guards what follows.
	name      string // "" when it was removed or replaced: nobody will see it any more
	data      []byte
	mtime     time.Time
	writers   int
	temporary bool
	of        string // a name on the shelf that was renamed to this temporary one, and is hidden meanwhile
	counted   int64  // in drafts.bytes

	changed uint64 // counts the changes; what of them was
	tried   uint64 // tried to store,
	stored  uint64 // and stored
	cut     bool   // the last change was to create it, or to empty it by open(2): the shell closes a file once before anything is written
}

// drafts are all files of a mount that are being written. No method waits.
type drafts struct {
	mu    sync.Mutex // guards what follows, and the drafts
	named map[spot]*draft
	bytes int64
}

// spot is a name on a shelf.
type spot struct{ shelf, name string }

// beginning says what a new draft is.
type beginning struct {
	data      []byte // what it begins with
	temporary bool
	created   bool   // it is not on the shelf; closing it puts it there
	of        string // see draft
}

// join returns the draft under a name for one more handle, or nil. With cut it is
// emptied. Who only reads what is stored reads that: the kernel tells of the last close
// some time after close(2) returned.
func (ds *drafts) join(s shelf, name string, writes, cut bool) *draft {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	d := ds.named[spot{s.key(), name}]
	if d == nil || !writes && !d.temporary && d.changed == d.stored {
		return nil
	}
	ds.joinLocked(d, writes, cut)
	return d
}

func (ds *drafts) joinLocked(d *draft, writes, cut bool) {
	if writes {
		d.writers++
	}
	if cut {
		d.data, d.cut = nil, true
		d.touch()
	}
	ds.countLocked(d)
}

// begin makes a draft, or joins the one that somebody else made meanwhile.
func (ds *drafts) begin(s shelf, name string, writes bool, b beginning) *draft {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	at := spot{s.key(), name}
	d := ds.named[at]
	if d == nil {
		d = newDraft(s, name, b)
		if ds.named == nil {
			ds.named = map[spot]*draft{}
		}
		ds.named[at] = d
	}
	ds.joinLocked(d, writes, false)
	return d
}

func newDraft(s shelf, name string, b beginning) *draft {
	d := &draft{shelf: s, turn: make(chan struct{}, 1), name: name, data: b.data, mtime: time.Now(), temporary: b.temporary, of: b.of}
	d.turn <- struct{}{}
	if b.created {
		d.cut = true
		d.touch()
	}
	return d
}

// touch notes a change.
func (d *draft) touch() {
	d.changed++
	d.mtime = time.Now()
}

// leave ends the use of a draft by a writer. When it was the last one it tells
// whether something is left that nobody tried to store.
func (ds *drafts) leave(d *draft) (unsaved bool) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	d.writers--
	if d.writers == 0 && d.name != "" && !d.temporary && d.changed > d.tried {
		return true // put away when it is stored
	}
	ds.putAwayLocked(d)
	return false
}

// putAway forgets a draft that nobody writes any more.
func (ds *drafts) putAway(d *draft) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	ds.putAwayLocked(d)
}

func (ds *drafts) putAwayLocked(d *draft) {
	if d.writers == 0 && !d.temporary {
		ds.dropLocked(d)
	}
	ds.countLocked(d)
}

// drop takes a draft's name from it.
func (ds *drafts) drop(d *draft) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	ds.dropLocked(d)
}

func (ds *drafts) dropLocked(d *draft) {
	if d.name != "" {
		delete(ds.named, spot{d.shelf.key(), d.name})
		d.name, d.of = "", ""
	}
	ds.countLocked(d)
}

// countLocked keeps the account of what is held for a draft. What only readers hold
// is not counted: it cannot grow.
func (ds *drafts) countLocked(d *draft) {
	held := int64(0)
	if d.name != "" || d.writers > 0 {
		held = int64(len(d.data))
	}
	ds.bytes += held - d.counted
	d.counted = held
}

// find returns the draft under a name, or nil.
func (ds *drafts) find(s shelf, name string) *draft {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	return ds.named[spot{s.key(), name}]
}

// hides tells that a name on the shelf was renamed to a temporary one.
func (ds *drafts) hides(s shelf, name string) bool {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for at, d := range ds.named {
		if at.shelf == s.key() && d.of == name {
			return true
		}
	}
	return false
}

// names returns the names of the drafts on a shelf, and those that they hide.
func (ds *drafts) names(s shelf) (there, hidden []string) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for at, d := range ds.named {
		if at.shelf != s.key() {
			continue
		}
		there = append(there, at.name)
		if d.of != "" {
			hidden = append(hidden, d.of)
		}
	}
	return there, hidden
}

// stat returns the size of a draft in bytes, and when it was changed.
func (ds *drafts) stat(d *draft) (int64, time.Time) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	return int64(len(d.data)), d.mtime
}

// read copies from a draft.
func (ds *drafts) read(d *draft, dest []byte, off int64) int {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if off >= int64(len(d.data)) {
		return 0
	}
	return copy(dest, d.data[off:])
}

// write changes a draft; off -1 is its end.
func (ds *drafts) write(d *draft, data []byte, off int64) error {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if off < 0 {
		off = int64(len(d.data))
	}
	if err := ds.resizeLocked(d, max(int64(len(d.data)), off+int64(len(data)))); err != nil {
		return err
	}
	copy(d.data[off:], data)
	d.cut = false
	d.touch()
	return nil
}

// truncate cuts a draft off, or fills it with zeroes.
func (ds *drafts) truncate(d *draft, size int64) error {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if err := ds.resizeLocked(d, size); err != nil {
		return err
	}
	d.cut = false
	d.touch()
	return nil
}

func (ds *drafts) resizeLocked(d *draft, size int64) error {
	switch more := size - int64(len(d.data)); {
	case size > maxFile:
		return errFileTooBig
	case more > 0 && ds.bytes+more > maxDrafts:
		return errNoRoom
	}
	d.data = resized(d.data, size)
	ds.countLocked(d)
	return nil
}

// resized returns data with another length, zeroes at its end if it grows.
func resized(data []byte, size int64) []byte {
	if size <= int64(len(data)) {
		return data[:size]
	}
	n := len(data)
	data = append(data, make([]byte, size-int64(n))...)
	return data
}

// take waits for the right to store a draft, or to remove it. Whoever gets it gives
// the token back.
func (d *draft) take(c context.Context) error {
	select {
	case <-d.turn:
		return nil
	default:
	}
	select {
	case <-d.turn:
		return nil
	case <-c.Done():
		return c.Err()
	}
}

func (d *draft) giveBack() { d.turn <- struct{}{} }
