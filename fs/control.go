package fs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
)

// ControlDir is the directory of files about the tree itself. It is not listed in the root, so that
// find and cp -r skip it.
const ControlDir = ".thothfs"

// controlDir is the directory .thothfs.
type controlDir struct{ catalogDir }

// controlFile is a file whose contents are generated when it is opened.
type controlFile struct {
	t    *Tree
	name string
	text func() []byte
}

func (t *Tree) controlFiles() map[string]func() []byte {
	files := map[string]func() []byte{
		"stats": t.statsText,
		"slow":  t.slow.text,
		"pid":   func() []byte { return fmt.Appendln(nil, os.Getpid()) },
	}
	if t.o.Config != nil {
		files["config"] = t.o.Config
	}
	return files
}

// statsText returns the counters of all layers, one name and value per line.
func (t *Tree) statsText() []byte {
	var stats []Stat
	if t.o.Stats != nil {
		stats = t.o.Stats()
	}
	stats = append(stats, t.counts.stats()...)
	buffers, buffered := t.buffers.size()
	stats = append(stats,
		Stat{"fs.reads.slow", t.slow.count()}, // see .thothfs/slow
		Stat{"fs.buffers", buffers},           // gauge: files being written
		Stat{"fs.buffered_bytes", buffered})   // gauge
	var b bytes.Buffer
	for _, s := range stats {
		fmt.Fprintf(&b, "%s %d\n", s.Name, s.Value)
	}
	return b.Bytes()
}

func (d *controlDir) Lookup(ctx context.Context, name string) (Entry, error) {
	text, ok := d.t.controlFiles()[name]
	if !ok {
		return Entry{TTL: d.t.missingTTL}, notThere(d.below(name))
	}
	f := &controlFile{d.t, name, text}
	a, err := f.Attr(ctx)
	return Entry{Node: f, Attr: a, TTL: nameTimeout}, err
}

func (d *controlDir) Open(context.Context) (bool, error) { return false, nil }

func (d *controlDir) List(context.Context) (Listing, error) {
	var l names
	for name := range d.t.controlFiles() {
		l.add(name, modeFile, number(kindOwn, name))
	}
	slices.SortFunc(l, compareNames)
	return l, nil
}

func (f *controlFile) ID() FileID   { return FileID{kind: kindOwn, name: f.name} }
func (f *controlFile) Path() string { return ControlDir + "/" + f.name }

func (f *controlFile) Attr(context.Context) (Attr, error) {
	a := attrOf(modeFile, int64(len(f.text())), f.t.started)
	a.Volatile = true
	return a, nil
}

func (f *controlFile) Open(_ context.Context, flags OpenFlags) (Handle, error) {
	if !flags.readOnly() {
		return nil, ErrReadOnly
	}
	return &memoryHandle{f.text()}, nil
}
