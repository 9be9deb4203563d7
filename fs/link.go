package fs

import (
	"context"
	"strings"
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
	id    dump.ID
	time  int64 // of the dump, as corpus.Row
	depth uint8 // at most maxDepth: of the directory that it is in: by-cmd/node is 2
}

func (l *dumpLink) target() string {
	return strings.Repeat("../", int(l.depth)) + hashDirName + "/" + l.id.String()
}

var _ fusefs.NodeReadlinker = (*dumpLink)(nil)

func (l *dumpLink) Readlink(ctx context.Context) ([]byte, syscall.Errno) {
	return []byte(l.target()), 0
}

var _ fusefs.NodeGetattrer = (*dumpLink)(nil)

func (l *dumpLink) Getattr(ctx context.Context, h fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	l.attr(&out.Attr)
	return 0
}

func (l *dumpLink) attr(out *fuse.Attr) {
	l.t.attr(out, modeLink, int64(len(l.target())), dumpTime(l.time))
	out.Blocks = 0
}

// addDumpLink makes the link to the dump r in the directory dir, which is depth
// below the root.
func (n *node) addDumpLink(ctx context.Context, r corpus.Row, depth int, out *fuse.EntryOut) *fusefs.Inode {
	l := &dumpLink{node: node{t: n.t}, id: r.ID, time: r.Time, depth: uint8(depth)}
	l.attr(&out.Attr)
	ino := linkNumber(n.StableAttr().Ino, r.ID)
	// Two links whose numbers collide differ in the hash, or else in the directory.
	return n.child(ctx, l, fusefs.StableAttr{Mode: syscall.S_IFLNK, Ino: ino, Gen: dumpNumber(r.ID) ^ n.StableAttr().Gen})
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
