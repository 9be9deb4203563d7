package fs

import (
	"bytes"
	"context"
	"time"
)

// edition is what a draft was at one moment.
type edition struct {
	name    string
	data    []byte // a copy
	changed uint64
	saved   bool // the store has it
}

// save stores a draft if it was changed since it was stored. At close(2) one that
// was only created or emptied is left for the last close.
func (ds *drafts) save(c context.Context, d *draft, atClose bool) error {
	if !ds.isDue(d, atClose) {
		return nil
	}
	if err := d.take(c); err != nil {
		return err
	}
	defer d.giveBack()
	if !ds.isDue(d, atClose) { // somebody else did
		return nil
	}
	e := ds.edition(d)
	if e.name == "" {
		return nil
	}
	err := d.shelf.put(c, e.name, e.data, "")
	ds.tried(d, e, err == nil)
	if _, mtime, serr := d.shelf.stat(c, e.name); err == nil && serr == nil {
		ds.setTime(d, e, mtime)
	}
	return err
}

// setTime gives a draft the time that the stored file has: editors look whether it
// changed since they wrote it.
func (ds *drafts) setTime(d *draft, e edition, mtime time.Time) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if d.changed == e.changed {
		d.mtime = mtime
	}
}

func (ds *drafts) isDue(d *draft, atClose bool) bool {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	return d.name != "" && !d.temporary && d.changed > d.stored && !(atClose && d.cut)
}

func (ds *drafts) edition(d *draft) edition {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	return edition{name: d.name, data: bytes.Clone(d.data), changed: d.changed, saved: d.changed == d.stored}
}

// tried notes that an edition was stored, or that it was not to be.
func (ds *drafts) tried(d *draft, e edition, stored bool) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	d.tried = max(d.tried, e.changed)
	if !stored {
		return
	}
	d.stored = max(d.stored, e.changed)
	ds.uncoverLocked(d.shelf, e.name)
}

// uncover ends the hiding of a name: what is there now is new.
func (ds *drafts) uncover(s shelf, name string) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	ds.uncoverLocked(s, name)
}

func (ds *drafts) uncoverLocked(s shelf, name string) {
	for at, d := range ds.named {
		if at.shelf == s.key() && d.of == name {
			d.of = ""
		}
	}
}

// setAside gives a draft a temporary name, in the place of what has it. of is what
// it hides on the shelf from now on, "" what it did.
func (ds *drafts) setAside(d *draft, to, of string) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	ds.renameLocked(d, to)
	d.temporary = true
	if of != "" {
		d.of = of
	}
}

// settle ends a rename after which the shelf has edition e under the name to: the
// draft goes on under it while it has writers.
func (ds *drafts) settle(d *draft, to string, e edition) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	ds.renameLocked(d, to)
	d.temporary, d.of, d.cut = false, "", false
	d.tried, d.stored = e.changed, e.changed
	ds.uncoverLocked(d.shelf, to)
	ds.putAwayLocked(d)
}

func (ds *drafts) renameLocked(d *draft, to string) {
	at := spot{d.shelf.key(), to}
	if other := ds.named[at]; other != nil && other != d {
		ds.dropLocked(other)
	}
	delete(ds.named, spot{d.shelf.key(), d.name})
	d.name = to
	ds.named[at] = d
}

// behind returns the name that the shelf may have for a draft: that which it hides,
// its own, or "": of a temporary one that hides none, and of a new one whose name
// stands for a file that was set aside.
func (ds *drafts) behind(d *draft) string {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if d.temporary {
		return d.of
	}
	for at, other := range ds.named {
		if at.shelf == d.shelf.key() && other.of == d.name {
			return ""
		}
	}
	return d.name
}

// abandon forgets the temporary files of a dump that is gone: nobody can reach them.
func (ds *drafts) abandon(shelf string) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for at, d := range ds.named {
		if at.shelf == shelf && d.temporary && d.writers == 0 {
			ds.dropLocked(d)
		}
	}
}
