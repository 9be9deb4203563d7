package corpus

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"io"
	"slices"
	"strings"
	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/store"
	"time"
	"unicode"
	"unicode/utf8"
)

// holding is what the corpus has of a dump that is to be uploaded.
type holding struct {
	id      dump.ID
	at      time.Time // when it was looked at
	hasInfo bool
	stored  *Dump // as the document says; nil without
	hasDump bool
	dump    store.Entry
	name    string // of the dump, there or to be
}

// unreadable reports whether there is a document that could not be read.
func (h *holding) unreadable() bool { return h.hasInfo && h.stored.Damage != h.stored.Doc.Damage() }

// find looks for the dump under all the hashes that it may have, and returns the
// place where it is or belongs.
func (u *upload) find(ctx context.Context) (*holding, error) {
	var best *holding
	for _, id := range append([]dump.ID{u.info.ID}, u.info.AlsoIDs...) {
		h, err := u.look(ctx, id)
		if err != nil {
			return nil, err
		}
		if h.hasInfo {
			return h, nil
		}
		if best == nil || h.hasDump && !best.hasDump {
			best = h
		}
	}
	return best, nil
}

// look returns what is there under one hash.
func (u *upload) look(ctx context.Context, id dump.ID) (*holding, error) {
	h := &holding{id: id, at: u.c.now(), name: u.src.objectName()}
	entries, err := u.c.listDir(ctx, id.String())
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return nil, err
	}
	named := ""
	if slices.ContainsFunc(entries, func(e store.Entry) bool { return e.Name == InfoName && !e.Dir }) {
		o, err := u.c.fetchDocument(ctx, id, "")
		if err != nil {
			return nil, err
		}
		if h.hasInfo = o.Kind == catalog.Found; h.hasInfo {
			h.stored = o.Dump
			named = o.Dump.Doc.String("dump")
		}
	}
	if h.hasInfo {
		h.dump, h.hasDump = pickDump(entries, named)
	} else {
		h.dump, h.hasDump = pickUnfinished(entries, h.name, u.src.size)
	}
	switch {
	case h.hasDump:
		h.name = h.dump.Name
	case named != "":
		if base := named[strings.LastIndexByte(named, '/')+1:]; safeName(base) == base {
			h.name = base // so that the document is right
		}
	}
	return h, nil
}

// pickUnfinished picks what an interrupted upload left of a dump: what has the name
// that we would give it, else the only object that has a dump's name, else the only
// one of its size. Anything else may be somebody's notes.
func pickUnfinished(entries []store.Entry, name string, size int64) (store.Entry, bool) {
	var likely, sized []store.Entry
	for _, e := range entries {
		switch {
		case e.Dir || e.Name == InfoName || strings.HasPrefix(e.Name, "."):
			continue
		case name != "" && e.Name == name:
			return e, true
		case looksLikeDump(e.Name):
			likely = append(likely, e)
		}
		if e.Size == size {
			sized = append(sized, e)
		}
	}
	for _, some := range [][]store.Entry{likely, sized} {
		if len(some) == 1 {
			return some[0], true
		}
	}
	return store.Entry{}, false
}

// without returns the entries but for that of a name. It leaves the given ones as they
// are, since they may be shared.
func without(entries []store.Entry, name string) []store.Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e store.Entry) bool { return e.Name == name })
}

// sameContent compares the dump that is there with the file, which has its size. A
// store that knows no MD5 cannot tell: then they are not the same.
func (u *upload) sameContent(ctx context.Context, h *holding) (bool, error) {
	sum := h.dump.MD5
	if sum == nil {
		attr, err := u.c.store.Stat(ctx, h.id.String()+"/"+h.name)
		if err != nil {
			return false, err
		}
		if attr.ETag != h.dump.ETag || attr.MD5 == nil {
			return false, nil
		}
		sum = attr.MD5
	}
	hash := md5.New()
	if _, err := copyContext(ctx, hash, io.NewSectionReader(u.src.file, 0, u.src.size)); err != nil {
		return false, err
	}
	return bytes.Equal(hash.Sum(nil), sum), nil
}

// safeName makes of a file's name the name of an object that hides nothing in a
// dump's directory, that a document can hold and a shell can live with. Nothing but a
// name is lost.
func safeName(base string) string {
	clean := func(r rune) rune {
		if r == utf8.RuneError || r == '/' || unicode.IsControl(r) {
			return '_'
		}
		return r
	}
	name := strings.Map(clean, strings.TrimLeft(base, "."))
	reserved := []string{"", InfoName, "stack", "properties"}
	if len(name) != len(base) && strings.HasPrefix(base, ".") || slices.Contains(reserved, name) {
		name = strings.TrimSuffix("core."+name, ".")
	}
	for len(name) > 255 {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	return name
}
