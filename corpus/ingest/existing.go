package ingest

import (
	"bytes"
	"context"
	"crypto/md5"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/internal/withctx"
	"thothfs/store"
)

// existing describes what the corpus contains of a dump to be uploaded.
type existing struct {
	*corpus.Directory
	object    store.Entry // the dump itself
	hasObject bool
	name      string // name of the dump's object, which may not be stored yet
}

func (x *existing) key() string { return x.ID.String() + "/" + x.name }

// find looks for the dump under all its possible hashes. It returns the directory that contains it,
// or that it belongs in.
func (u *upload) find(ctx context.Context) (best *existing, err error) {
	for _, id := range append([]dump.ID{u.info.ID}, u.info.AlsoIDs...) {
		x, err := u.look(ctx, id)
		if err != nil || x.Dump != nil {
			return x, err
		}
		if best == nil || x.hasObject && !best.hasObject {
			best = x
		}
	}
	return best, nil
}

// look returns what exists under one hash.
func (u *upload) look(ctx context.Context, id dump.ID) (*existing, error) {
	d, err := u.corpus.Directory(ctx, id)
	if err != nil {
		return nil, err
	}
	x := &existing{Directory: d, name: u.src.objectName()}
	named := ""
	if d.Dump != nil {
		named = d.Dump.Doc.String("dump")
		x.object, x.hasObject = corpus.PickDump(d.Entries, named)
	} else {
		x.object, x.hasObject = pickUnfinished(d.Entries, x.name, u.src.size)
	}
	switch {
	case x.hasObject:
		x.name = x.object.Name
	case named != "":
		if base := named[strings.LastIndexByte(named, '/')+1:]; safeName(base) == base {
			x.name = base // as named in the document
		}
	}
	return x, nil
}

// pickUnfinished returns the object of a dump that was left by an interrupted upload: the object
// with the dump's name, else the only object with a name typical of dumps, else the only object of
// the dump's size. The directory may contain unrelated objects.
func pickUnfinished(entries []store.Entry, name string, size int64) (store.Entry, bool) {
	var likely, sized []store.Entry
	for _, e := range entries {
		switch {
		case e.Dir || e.Name == corpus.InfoName || strings.HasPrefix(e.Name, "."):
			continue
		case name != "" && e.Name == name:
			return e, true
		case corpus.IsDumpName(e.Name):
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

// without returns a copy of entries without the one with the given name.
func without(entries []store.Entry, name string) []store.Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e store.Entry) bool { return e.Name == name })
}

// sameContent reports whether the existing dump, which has the same size as the file, also has the
// same content. It returns false if the store does not provide the MD5.
func (u *upload) sameContent(ctx context.Context, x *existing) (bool, error) {
	sum := x.object.MD5
	if sum == nil {
		attr, err := u.store.Stat(ctx, x.key())
		if err != nil || attr.ETag != x.object.ETag || attr.MD5 == nil {
			return false, err
		}
		sum = attr.MD5
	}
	return hasMD5(ctx, u.src.file, u.src.size, sum)
}

// hasMD5 reports whether sum is the MD5 of a file.
func hasMD5(ctx context.Context, file io.ReaderAt, size int64, sum []byte) (bool, error) {
	hash := md5.New()
	_, err := io.Copy(hash, withctx.Reader(ctx, io.NewSectionReader(file, 0, size)))
	return err == nil && bytes.Equal(hash.Sum(nil), sum), err
}

// safeName returns an object name for a file. The name does not hide anything in a dump's
// directory, and is suitable for documents and shells.
func safeName(base string) string {
	clean := func(r rune) rune {
		if r == utf8.RuneError || r == '/' || unicode.IsControl(r) {
			return '_'
		}
		return r
	}
	name := strings.Map(clean, strings.TrimLeft(base, "."))
	reserved := []string{"", corpus.InfoName, "stack", "properties"}
	if len(name) != len(base) && strings.HasPrefix(base, ".") || slices.Contains(reserved, name) {
		name = strings.TrimSuffix("core."+name, ".")
	}
	for len(name) > 255 {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	return name
}
