package corpus

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sync/singleflight"

	"thothfs/corpus/history"
	"thothfs/dump"
	"thothfs/store"
)

// AnalyzersDir is the directory of the corpus that contains the analyzers.
const AnalyzersDir = history.AnalyzersDir

// lister lists the directories of dumps and the directory of analyzers.
type lister struct {
	*base
	lists singleflight.Group    // keyed by directory and mark
	stale recent[string, int64] // marks of directories whose cached list is outdated
	marks atomic.Int64          // latest mark
}

// Files returns the objects in the directory of a dump, including info.json, in byte order of their
// names. The list is at most Poll old (AttrTimeout if Poll is 0), or older while the store is
// unavailable. The caller must not modify it. Files returns store.ErrNotExist if the directory does
// not exist.
func (c *lister) Files(ctx context.Context, id dump.ID) ([]store.Entry, error) {
	return c.list(ctx, id.String(), max(c.o.Poll, c.o.AttrTimeout))
}

// FilesNow is like Files, but the list is at most AttrTimeout old unless the store does not respond
// within a second. The zero ID stands for the analyzers.
func (c *lister) FilesNow(ctx context.Context, id dump.ID) ([]store.Entry, error) {
	return c.list(ctx, listedDir(id), c.o.AttrTimeout)
}

// Analyzers is like Files for the directory analyzers/. It returns no objects if the directory does
// not exist.
func (c *lister) Analyzers(ctx context.Context) ([]store.Entry, error) {
	entries, err := c.list(ctx, AnalyzersDir, max(c.o.Poll, c.o.AttrTimeout))
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

// listedDir returns the directory of a dump, or AnalyzersDir for the zero ID.
func listedDir(id dump.ID) string {
	if id == (dump.ID{}) {
		return AnalyzersDir
	}
	return id.String()
}

// DumpFile returns the object of Files that is the dump itself: the one named in the document, or
// the only candidate. It returns store.ErrNotExist if there is none because the dump was purged.
func (c *lister) DumpFile(ctx context.Context, id dump.ID) (store.Entry, error) {
	entries, err := c.Files(ctx, id)
	if err != nil {
		return store.Entry{}, err
	}
	d, err := c.cat.Lookup(ctx, id)
	if err != nil {
		return store.Entry{}, err
	}
	named := ""
	if d != nil {
		named = d.Doc.String("dump")
	}
	if e, ok := PickDump(entries, named); ok {
		return e, nil
	}
	return store.Entry{}, notExist("stat", id.String()+"/core")
}

// PickDump returns the entry that is the dump itself. named is the path in the document. Only a
// listed entry can be picked, so a document cannot refer to anything outside the directory.
func PickDump(entries []store.Entry, named string) (store.Entry, bool) {
	var others, likely []store.Entry
	base := path.Base(named)
	for _, e := range entries {
		switch {
		case e.Dir || e.Name == InfoName:
			continue
		case named != "" && e.Name == base:
			return e, true
		case strings.HasPrefix(e.Name, "."):
			continue
		}
		others = append(others, e)
		if IsDumpName(e.Name) {
			likely = append(likely, e)
		}
	}
	switch {
	case len(likely) == 1:
		return likely[0], true
	case len(others) == 1:
		return others[0], true
	}
	return store.Entry{}, false
}

// ValidFileName reports whether name can be that of an object beside a dump, or of an analyzer: it
// is a valid file name without control characters.
func ValidFileName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= maxName && utf8.ValidString(name) &&
		!strings.ContainsFunc(name, func(r rune) bool { return r == '/' || unicode.IsControl(r) })
}

func IsDumpName(name string) bool {
	for _, prefix := range []string{"core", "vmcore", "vmdump"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok && (rest == "" || rest[0] == '.') {
			return true
		}
	}
	return false
}

// Stale makes the next Files list the directory again, because one of its objects turned out to be
// newer than the list. The zero ID stands for the analyzers.
func (c *lister) Stale(id dump.ID) { c.stale.set(listedDir(id), c.marks.Add(1)) }

// listTimeout is how long a caller that has a list waits for a newer one.
const listTimeout = time.Second

// list returns the contents of a directory. The list is at most as old as oldest, or older while
// the store is unavailable.
func (c *lister) list(ctx context.Context, dir string, oldest time.Duration) ([]store.Entry, error) {
	entries, at, err := c.cat.Listing(ctx, dir)
	if err != nil {
		return nil, err
	}
	now, mark, known := c.now(), c.stale.get(dir), !at.IsZero()
	age := now.Sub(at)
	fresh := age >= 0 && age <= oldest && mark == 0
	if known && (fresh || c.availability.paused(now)) {
		return entries, nil
	}
	listed, err := c.listInTime(ctx, dir, mark, known, now.Add(-oldest))
	if known && errors.Is(err, store.ErrUnavailable) {
		return entries, nil
	}
	return listed, err
}

// listInTime lists a directory in the store. A caller that has a list which is not marked as
// outdated waits for at most listTimeout; the listing then continues in the background for the next
// caller. A listing that began before oldest does not count.
func (c *lister) listInTime(ctx context.Context, dir string, mark int64, known bool, oldest time.Time) ([]store.Entry, error) {
	wait, cancel := c.availability.withShortTimeout(ctx, !known)
	defer cancel()
	if known && mark == 0 {
		wait, cancel = context.WithTimeoutCause(wait, listTimeout, errShortTimeout)
		defer cancel()
	}
	key := fmt.Sprint(mark, " ", dir)
	for tries := 2; ; tries-- {
		l, err := share(wait, c.base, &c.lists, key, func(ctx context.Context) (listing, error) { return c.listShared(ctx, dir, mark, known) })
		if err = shortTimeoutError(wait, err); err == errShortTimeout {
			c.availability.record(c.now(), err, c.log)
		}
		if err != nil || tries == 1 || !l.began.Before(oldest) {
			return l.entries, err
		}
	}
}

// listing is the contents of a directory when a request began.
type listing struct {
	entries []store.Entry
	began   time.Time
}

// listShared lists a directory and stores the list in the catalogue.
func (c *lister) listShared(ctx context.Context, dir string, mark int64, known bool) (listing, error) {
	l := listing{began: c.now()}
	entries, err := c.listDir(ctx, dir)
	if ctx.Err() != nil {
		return l, err // the corpus is being closed
	}
	c.availability.record(c.now(), err, c.log)
	switch {
	case err == nil:
		l.entries = entries
		if kerr := c.cat.SetListing(ctx, dir, l.began, entries); kerr != nil {
			c.log.Debug("the catalogue cannot be written", "error", kerr)
		}
		c.stale.remove(dir, mark)
	case known && errors.Is(err, store.ErrNotExist):
		c.forgetListing(ctx, dir)
	}
	return l, err
}

// listDir lists a directory in the store.
func (c *lister) listDir(ctx context.Context, dir string) ([]store.Entry, error) {
	entries := []store.Entry{}
	for e, err := range c.store.List(ctx, dir, "") {
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// FilesChanged must be called after this process has stored or removed an object beside a dump. It
// makes the next Files ask the store, in this process and in those that share the catalogue. The
// zero ID stands for the analyzers.
func (c *lister) FilesChanged(ctx context.Context, id dump.ID) {
	c.Stale(id)
	c.forgetListing(ctx, listedDir(id))
}

// forgetListing removes the list of a directory from the catalogue. If the directory is that of a
// dump, subscribers are notified of a change of the dump.
func (c *lister) forgetListing(ctx context.Context, dir string) {
	changes, err := c.cat.DropListing(ctx, dir)
	if err != nil {
		c.log.Debug("the catalogue cannot be written", "error", err)
		return
	}
	c.publish(changes)
}
