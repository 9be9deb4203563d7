package fs

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/query"
	"thothfs/store"
)

// propertiesDir is by-hash/HASH/properties: the custom properties as files, an
// object among them as one file. It is there even when there are none.
type propertiesDir struct{ shelfDir }

func (t *tree) propertiesDir(id dump.ID) *propertiesDir {
	return &propertiesDir{shelfDir{dumpNode: t.dumpNode(id), shelf: &propertyShelf{t: t, id: id}}}
}

var _ fusefs.NodeGetattrer = (*propertiesDir)(nil)

func (p *propertiesDir) Getattr(ctx context.Context, h fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	c := p.t.call(ctx)
	defer c.end()
	found, err := p.cached(c)
	if err != nil {
		return p.t.fail(c, "getattr", p.place(), err)
	}
	p.attr(found, &out.Attr)
	return 0
}

func (p *propertiesDir) attr(found *corpus.Dump, out *fuse.Attr) {
	p.t.attr(out, modeDir, 0, found.ModTime)
}

// propertyShelf is the custom properties of a dump. A file is the text of a value
// and a newline. A name with a dot in it that is no property itself is a path, as in
// dump specifications: triage.engineer.
type propertyShelf struct {
	t  *tree
	id dump.ID
}

func (s *propertyShelf) key() string  { return s.id.String() }
func (s *propertyShelf) mode() uint32 { return modeValue }

func (s *propertyShelf) number(name string) fusefs.StableAttr {
	id := s.id.String()
	return identity(syscall.S_IFREG, number(kindText, id, propertiesName, name), id, propertiesName, name)
}

func (s *propertyShelf) check(name string) error {
	_, err := keyOf(name)
	return err
}

// keyOf is the key that a file name stands for: see fileName.
func keyOf(name string) (string, error) {
	if isPlainName(name) {
		return name, nil
	}
	key, err := query.DecodeName(name)
	if err != nil || key == "" || FileName(key) != name {
		return "", errName
	}
	return key, nil
}

// isTemporary tells an editor's names, and those that begin with the name of a
// property and a dot: triage.tmp. Below a property that is no object there can be
// none.
func (s *propertyShelf) isTemporary(c context.Context, name string) bool {
	if isEditors(name) {
		return true
	}
	d, err := s.t.cached(c, s.id)
	for i := range len(name) {
		if err != nil || name[i] != '.' {
			continue
		}
		if v, ok := s.find(d.Doc, name[:i]); ok && v.Kind() != document.KindObject {
			return true
		}
	}
	return false
}

func (s *propertyShelf) names(c context.Context) ([]string, error) {
	d, err := s.t.current(c, s.id)
	if err != nil {
		return nil, err
	}
	return slices.Collect(maps.Keys(s.t.docs.properties(d.Doc))), nil
}

func (s *propertyShelf) stat(c context.Context, name string) (int64, time.Time, error) {
	d, err := s.t.cached(c, s.id)
	if err != nil {
		return 0, time.Time{}, err
	}
	text, err := s.text(d.Doc, name)
	return int64(len(text)), d.ModTime, err
}

func (s *propertyShelf) open(c context.Context, name string) (fusefs.FileHandle, error) {
	text, err := s.read(c, name)
	return &textHandle{text}, err
}

func (s *propertyShelf) read(c context.Context, name string) ([]byte, error) {
	d, err := s.t.current(c, s.id)
	if err != nil {
		return nil, err
	}
	return s.text(d.Doc, name)
}

// put stores what a file holds by the rule of Thoth's set. The newline at its end
// is the file's, not the value's.
func (s *propertyShelf) put(c context.Context, name string, data []byte, gone string) error {
	path, err := pathOf(name)
	if err != nil {
		return err
	}
	var edits []document.Edit
	if gone != "" {
		old, err := pathOf(gone)
		if err != nil {
			return err
		}
		edits = append(edits, document.Unset(old))
	}
	text := strings.TrimSuffix(string(data), "\n")
	_, err = s.t.edit(how(c, "write properties/"+name), s.id, append(edits, document.Set(path, text))...)
	return err
}

func (s *propertyShelf) remove(c context.Context, name string) error {
	path, err := pathOf(name)
	if err != nil {
		return err
	}
	e := document.Unset(path)
	e.If = document.IfPresent
	_, err = s.t.edit(how(c, "unlink properties/"+name), s.id, e)
	return asNotThere(name, err)
}

// rename moves the value as it is, in one edit.
func (s *propertyShelf) rename(c context.Context, from, to string) error {
	old, oerr := pathOf(from)
	path, err := pathOf(to)
	if err = errors.Join(oerr, err); err != nil {
		return err
	}
	d, err := s.t.o.Corpus.Dump(c, s.id)
	if err != nil {
		return err
	}
	v, ok := d.Doc.Get(old)
	if !ok {
		return notThere(from)
	}
	e := document.Unset(old)
	e.If = document.IfPresent
	_, err = s.t.edit(how(c, "rename properties/"+from+" to "+to), s.id, e, document.Edit{Path: path, Value: v.JSON()})
	return asNotThere(from, err)
}

// asNotThere makes a property that is not set a file that is not there.
func asNotThere(name string, err error) error {
	if errors.Is(err, document.ErrAbsent) || errors.Is(err, document.ErrMismatch) {
		return &store.Error{Op: "stat", Key: name, Kind: store.ErrNotExist, Err: err}
	}
	return err
}

func pathOf(name string) (string, error) {
	key, err := keyOf(name)
	return propertiesName + "." + key, err
}

// text is what the file of a custom property holds.
func (s *propertyShelf) text(doc *document.Document, name string) ([]byte, error) {
	v, ok := s.find(doc, name)
	if !ok {
		return nil, notThere(name)
	}
	return []byte(v.Text() + "\n"), nil
}

// find returns the custom property that a file name means. One that is null is not
// set.
func (s *propertyShelf) find(doc *document.Document, name string) (document.Value, bool) {
	if v, ok := s.t.docs.properties(doc)[name]; ok {
		return v, true
	}
	if !strings.Contains(name, ".") || !isPlainName(name) {
		return document.Value{}, false
	}
	v, ok := doc.Get(propertiesName + "." + name)
	return v, ok && v.Kind() != document.KindNull
}

// propertiesByName returns the custom properties that are set, by the names of their
// files. Of a key that the document has twice the last one counts.
func propertiesByName(doc *document.Document) map[string]document.Value {
	object, _ := doc.Get(propertiesName)
	byName := map[string]document.Value{}
	for key, v := range object.Members() {
		if v.Kind() == document.KindNull {
			delete(byName, FileName(key))
		} else {
			byName[FileName(key)] = v
		}
	}
	return byName
}
