package fs

import (
	"context"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// queryDir is query: every specification is a name in it. It lists none.
type queryDir struct{ dirNode }

var _ fusefs.NodeLookuper = (*queryDir)(nil)

// Lookup makes the view of a specification. One that nothing matches is an empty
// directory; a malformed one does not exist.
func (d *queryDir) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	d.t.counts.lookups.Add(1)
	spec, err := parseSpec(name)
	if err != nil {
		return nil, d.t.fail(ctx, "lookup", d.below(name), err)
	}
	return d.addView(ctx, name, spec, 1, d.t.o.Corpus.Generation(), out), 0
}

var _ fusefs.NodeOpendirHandler = (*queryDir)(nil)

func (d *queryDir) OpendirHandle(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return d.t.openDir(d, true)
}

func (d *queryDir) list(context.Context) (listing, error) { return names(nil), nil }
