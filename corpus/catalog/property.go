package catalog

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/agnivade/levenshtein"

	"thothfs/dump/document"
)

// members are the names of the members that documents of dumps may have beside custom properties. A
// property below "properties" has a name of its own, without "properties.".
var members = [...]string{"id", "name", "dump", "pid", "cmd", "psargs", "platform", "node", "version", "time", "stack", "type", "format",
	"truncated", "ticket", "properties", "signal", "exe", "buildid", "uid", "gid", "ppid", "threads", "size", "rlimit", "boot", "os", "container",
	"unit", "uploaded", "panic", "kernel"}

// IsMember reports whether name is, or begins with, the name of a member of documents beside custom
// properties.
func IsMember(name string) bool {
	first, _, _ := strings.Cut(name, ".")
	return slices.Contains(members[:], first)
}

// lookup returns the value of the property that is called name in specifications: the value at that
// path in the document, or below "properties"; a field of Fields has a path of its own. A null counts
// as absent.
func lookup(doc *document.Document, name string) (v document.Value, ok bool) {
	if f := FieldAt(name); f != nil {
		if v, ok = get(doc, f.Path); ok || f.Path == f.Name {
			return v, ok
		}
		v, ok = get(doc, f.Name) // in documents of other programs it may be the value itself
		return v, ok && v.Kind() != document.KindObject
	}
	if v, ok = get(doc, name); ok {
		return v, ok
	}
	return get(doc, propertiesPath+name)
}

const propertiesPath = "properties."

func get(doc *document.Document, path string) (document.Value, bool) {
	v, ok := doc.Get(path)
	return v, ok && v.Kind() != document.KindNull
}

// texts returns a value in the form of query.Fields.Lookup.
func texts(v document.Value, ok bool) (text string, list []string, _ bool) {
	switch {
	case !ok:
		return "", nil, false
	case v.Kind() == document.KindArray:
		return "", v.Strings(), true
	}
	return v.Text(), nil, true
}

// Editable reports whether an edit may change the value of the property that is called name in
// specifications. It may be wrong about names that no document should have.
func Editable(name string) bool {
	if f := FieldAt(name); f != nil {
		return document.Writable(f.Path)
	}
	return document.Writable(name) || !IsMember(name)
}

// Limits of the table of names, since documents are hostile input.
const (
	maxNames      = 4096
	maxNameLength = 128 // in bytes
	maxNameDepth  = 4   // including "properties"
)

// Names are the names that the properties of a corpus have in specifications.
type Names struct {
	All   []string // sorted
	whole bool
}

// Names returns the names of all properties that a document has or has had.
func (r *Reader) Names(ctx context.Context) (Names, error) {
	all, err := collect(ctx, r.Catalog, func(scan scanFunc) (name string, err error) { return name, scan(&name) },
		`SELECT name FROM names ORDER BY name LIMIT ?`, maxNames)
	return Names{all, len(all) < maxNames}, err
}

// Lack reports whether no dump has a property of this name. The fields of documents are never
// lacking, even if no dump has one.
func (n *Names) Lack(name string) bool {
	name = strings.TrimPrefix(name, propertiesPath)
	for { // an index of an array
		i := strings.LastIndexByte(name, '.')
		if i < 0 || i == len(name)-1 || strings.Trim(name[i+1:], "0123456789") != "" {
			break
		}
		name = name[:i]
	}
	isField := FieldAt(name) != nil || slices.Contains(members[:], name)
	if !n.whole || isField || len(name) > maxNameLength || strings.Count(name, ".") >= maxNameDepth-1 {
		return false
	}
	_, found := slices.BinarySearch(n.All, name)
	return !found
}

// Nearest returns the name of a property or a field that name may be a misspelling of, or "".
func (n *Names) Nearest(name string) string {
	name = strings.TrimPrefix(name, propertiesPath)
	nearest, least := "", 1+max(1, len(name)/3)
	for _, candidate := range slices.Concat(members[:], n.All) {
		d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(candidate))
		if d < least && d < len(candidate) {
			nearest, least = candidate, d
		}
	}
	return nearest
}

// knownNames are the names that this process has added to the table.
type knownNames struct {
	mu    sync.Mutex
	names map[string]bool
}

func (k *knownNames) has(name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.names[name]
}

func (k *knownNames) add(names map[string]bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.names == nil {
		k.names = map[string]bool{}
	}
	maps.Copy(k.names, names)
}

// addNames adds the names of the properties in a document to the table, until that is full.
func (b *batch) addNames(doc *document.Document) error {
	return propertyNames(doc.Value(), "", maxNameDepth, func(name string) error {
		if b.names[name] || b.known.has(name) {
			return nil
		}
		if b.names == nil {
			b.names = map[string]bool{}
		}
		if len(b.names) < maxNames {
			b.names[name] = true
		}
		return b.exec(`INSERT OR IGNORE INTO names (name) SELECT ? WHERE (SELECT count(*) FROM names) < ?`, name, maxNames)
	})
}

// propertyNames calls f for the names of the members of an object, down to a depth.
func propertyNames(object document.Value, prefix string, depth int, f func(name string) error) error {
	n := 0
	for key, v := range object.Members() {
		if n++; n > maxNames || depth == 0 {
			return nil
		}
		name := prefix + key
		if len(name) > maxNameLength {
			continue
		}
		inner := name + "."
		if inner == propertiesPath {
			inner = ""
		} else if err := f(name); err != nil {
			return err
		}
		if v.Kind() == document.KindObject {
			if err := propertyNames(v, inner, depth-1, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// Complete returns the names of fields and properties that words can be completed to, sorted: members of
// documents under the names that specifications have for them.
func (n *Names) Complete() []string {
	all := slices.Concat(members[:], n.All)
	for i := range Fields {
		all = append(all, Fields[i].Name)
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(name string) bool {
		return name == "properties" || name == "name" || name == "dump" || name == "version"
	})
}
