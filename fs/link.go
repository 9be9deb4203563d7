package fs

import (
	"context"
	"strings"
	"sync/atomic"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/corpus"
	"thothfs/dump"
)

// hashDirName is where the links of all views lead.
const hashDirName = "by-hash"

// dumpLink is a dump in a view: a link to its directory in by-hash. There may be
// very many.
type dumpLink struct {
	node
	named
	id    dump.ID
	time  atomic.Int64 // of the dump, as corpus.Row
	depth uint8        // at most maxDepth: of the directory that it is in: by-cmd/node is 2
}

func (l *dumpLink) target() string {
	return strings.Repeat("../", int(l.depth)) + hashDirName + "/" + l.id.String()
}

var _ fusefs.NodeReadlinker = (*dumpLink)(nil)

func (l *dumpLink) Readlink(ctx context.Context) ([]byte, syscall.Errno) {
	return []byte(l.target()), 0
}

var _ fusefs.NodeGetattrer = (*dumpLink)(nil)

// Getattr is ENOENT when the dump is not in the view any more.
func (l *dumpLink) Getattr(ctx context.Context, h fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	switch seconds, asked, gone := l.check(ctx, &l.node); {
	case gone:
		return syscall.ENOENT
	case asked:
		l.time.Store(seconds)
	}
	l.attr(&out.Attr)
	return 0
}

func (l *dumpLink) attr(out *fuse.Attr) {
	l.t.attr(out, modeLink, int64(len(l.target())), dumpTime(l.time.Load()))
	out.Blocks = 0
}

// addLink makes the link to the dump r under a name in the view, where it was when the
// corpus had that generation.
func (v *viewDir) addLink(ctx context.Context, r corpus.Row, name string, generation uint64, out *fuse.EntryOut) *fusefs.Inode {
	l := &dumpLink{node: node{t: v.t}, id: r.ID, depth: uint8(v.depth)}
	l.time.Store(r.Time)
	l.seen.Store(generation)
	l.attr(&out.Attr)
	out.SetEntryTimeout(v.linkTimeout(name))
	ino := linkNumber(v.StableAttr().Ino, r.ID)
	// Two links whose numbers collide differ in the hash, or else in the directory.
	return v.child(ctx, l, fusefs.StableAttr{Mode: syscall.S_IFLNK, Ino: ino, Gen: dumpNumber(r.ID) ^ v.StableAttr().Gen})
}

// nameLink is a link to a name in the same directory.
type nameLink struct {
	dumpNode
	target string
	time   int64 // of the dump, as corpus.Row
}

var _ fusefs.NodeReadlinker = (*nameLink)(nil)

func (l *nameLink) Readlink(ctx context.Context) ([]byte, syscall.Errno) { return []byte(l.target), 0 }

var _ fusefs.NodeGetattrer = (*nameLink)(nil)

func (l *nameLink) Getattr(ctx context.Context, h fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	l.attr(&out.Attr)
	return 0
}

func (l *nameLink) attr(out *fuse.Attr) {
	l.t.attr(out, modeLink, int64(len(l.target)), dumpTime(l.time))
	out.Blocks = 0
}
