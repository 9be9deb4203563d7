package fs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// controlName is where the mount tells about itself. It is not listed at the root,
// so that find and cp -r pass it by.
const controlName = ".thothfs"

// controlDir is .thothfs.
type controlDir struct{ dirNode }

// controlFile is a file whose contents are made when it is opened.
type controlFile struct {
	node
	name string
	text func() []byte
}

func (t *tree) controlFiles() map[string]func() []byte {
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

// statsText is the counters of all layers, a name and a number a line.
func (t *tree) statsText() []byte {
	var stats []Stat
	if t.o.Stats != nil {
		stats = t.o.Stats()
	}
	var b bytes.Buffer
	own := append(t.counts.stats(),
		Stat{"fs.opens.passthrough", t.passes.opens.Load()}, // handed to the kernel
		Stat{"fs.reads.slow", t.slow.count()})               // see .thothfs/slow
	for _, s := range append(stats, own...) {
		fmt.Fprintf(&b, "%s %d\n", s.Name, s.Value)
	}
	return b.Bytes()
}

var _ fusefs.NodeLookuper = (*controlDir)(nil)

func (d *controlDir) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	text, ok := d.t.controlFiles()[name]
	if !ok {
		return nil, syscall.ENOENT
	}
	f := &controlFile{node: node{t: d.t}, name: name, text: text}
	f.attr(&out.Attr)
	out.SetAttrTimeout(instant)
	out.SetEntryTimeout(nameTimeout)
	return d.child(ctx, f, identity(syscall.S_IFREG, number(kindOwn, name), controlName, name)), 0
}

var _ fusefs.NodeOpendirHandler = (*controlDir)(nil)

func (d *controlDir) OpendirHandle(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return d.t.openDir(d, false)
}

func (d *controlDir) list(context.Context) (listing, error) {
	var l names
	for name := range d.t.controlFiles() {
		l.add(name, modeFile, number(kindOwn, name))
	}
	slices.SortFunc(l, func(a, b fuse.DirEntry) int { return strings.Compare(a.Name, b.Name) })
	return l, nil
}

func (f *controlFile) attr(out *fuse.Attr) {
	f.t.attr(out, modeFile, int64(len(f.text())), f.t.started)
}

var _ fusefs.NodeGetattrer = (*controlFile)(nil)

func (f *controlFile) Getattr(ctx context.Context, h fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	f.attr(&out.Attr)
	out.SetTimeout(instant)
	return 0
}

var _ fusefs.NodeOpener = (*controlFile)(nil)

func (f *controlFile) Open(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	if isWriting(flags) {
		return nil, 0, syscall.EROFS
	}
	return &textHandle{f.text()}, fuse.FOPEN_DIRECT_IO, 0
}
