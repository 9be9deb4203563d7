package fs

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"thothfs/dump"
	"thothfs/dump/document"
)

// propertiesDir returns by-hash/HASH/properties, which shows the custom properties as files; a
// property that is an object is a single file. The directory exists even when it is empty.
func (t *Tree) propertiesDir(id dump.ID) *writableDir {
	return &writableDir{
		t: t, backend: &propertyFiles{t, id}, key: id.String(), mode: modeValue,
		id:     FileID{kind: kindProps, dump: id, name: propertiesName},
		fileID: FileID{kind: kindText, dump: id, dir: propertiesName},
	}
}

// propertyFiles is the backend for the custom properties of a dump. A file contains the text of a
// value and a newline. A name with a dot that is not itself a property is a path, as in dump
// specifications: triage.engineer.
type propertyFiles struct {
	t  *Tree
	id dump.ID
}

func (s *propertyFiles) modTime(ctx context.Context) (time.Time, error) {
	d, err := s.t.cached(ctx, s.id)
	if err != nil {
		return time.Time{}, err
	}
	return d.ModTime, nil
}

func (s *propertyFiles) check(name string) error {
	_, err := keyOf(name)
	return err
}

// isTemporary reports whether editors use a name for temporary files, or whether it is the name of
// a property that is not an object, followed by a dot and a suffix, such as triage.tmp.
func (s *propertyFiles) isTemporary(ctx context.Context, name string) bool {
	if isEditorName(name) {
		return true
	}
	d, err := s.t.cached(ctx, s.id)
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

func (s *propertyFiles) names(ctx context.Context) ([]string, error) {
	d, err := s.t.current(ctx, s.id)
	if err != nil {
		return nil, err
	}
	return slices.Collect(maps.Keys(s.t.docs.of(d.Doc).names())), nil
}

func (s *propertyFiles) stat(ctx context.Context, name string) (int64, time.Time, error) {
	d, err := s.t.cached(ctx, s.id)
	if err != nil {
		return 0, time.Time{}, err
	}
	text, err := s.text(d.Doc, name)
	return int64(len(text)), d.ModTime, err
}

func (s *propertyFiles) open(ctx context.Context, name string) (Handle, error) {
	text, err := s.read(ctx, name)
	return &memoryHandle{text}, err
}

func (s *propertyFiles) read(ctx context.Context, name string) ([]byte, error) {
	d, err := s.t.current(ctx, s.id)
	if err != nil {
		return nil, err
	}
	return s.text(d.Doc, name)
}

// put stores the contents of a file by the rule of Thoth's set. A newline at the end is not part of
// the value.
func (s *propertyFiles) put(ctx context.Context, name string, data []byte, gone string) error {
	edits := []document.Edit{document.Set(pathOf(name), strings.TrimSuffix(string(data), "\n"))}
	if gone != "" {
		edits = append([]document.Edit{document.Unset(pathOf(gone))}, edits...)
	}
	_, err := s.t.edit(withOrigin(ctx, "write properties/"+name), s.id, edits...)
	return err
}

func (s *propertyFiles) remove(ctx context.Context, name string) error {
	e := document.Unset(pathOf(name))
	e.If = document.IfPresent
	_, err := s.t.edit(withOrigin(ctx, "unlink properties/"+name), s.id, e)
	return asNotThere(name, err)
}

// rename moves the value unchanged, in a single edit.
func (s *propertyFiles) rename(ctx context.Context, from, to string) error {
	d, err := s.t.o.Corpus.Dump(ctx, s.id)
	if err != nil {
		return err
	}
	v, ok := d.Doc.Get(pathOf(from))
	if !ok {
		return notThere(from)
	}
	e := document.Unset(pathOf(from))
	e.If = document.IfPresent
	set := document.Edit{Path: pathOf(to), Value: v.JSON()}
	_, err = s.t.edit(withOrigin(ctx, "rename properties/"+from+" to "+to), s.id, e, set)
	return asNotThere(from, err)
}

// pathOf returns the path of a property in the document. The name must be valid.
func pathOf(name string) string {
	key, _ := keyOf(name)
	return propertiesName + "." + key
}

// text returns the contents of a custom property's file.
func (s *propertyFiles) text(doc *document.Document, name string) ([]byte, error) {
	v, ok := s.find(doc, name)
	if !ok {
		return nil, notThere(name)
	}
	return []byte(v.Text() + "\n"), nil
}

// find returns the custom property that a file name refers to. A property that is null counts as
// not set.
func (s *propertyFiles) find(doc *document.Document, name string) (document.Value, bool) {
	if v, ok := s.t.docs.of(doc).names()[name]; ok {
		return v, true
	}
	if !strings.Contains(name, ".") || !isPlainName(name) {
		return document.Value{}, false
	}
	v, ok := doc.Get(propertiesName + "." + name)
	return v, ok && v.Kind() != document.KindNull
}

// propertiesByName returns the custom properties that are set, by file name. If the document
// contains a key twice, the last one counts.
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
