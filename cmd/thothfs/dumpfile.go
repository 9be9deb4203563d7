package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"thothfs/cache"
	"thothfs/cmd/thothfs/analyze"
	"thothfs/dump"
	"thothfs/fs"
	"thothfs/store"
)

// dumpFile is the file of a dump, which can be read. The caller must close it.
type dumpFile struct {
	io.ReaderAt
	io.Closer
	name  string // in the dump's directory of the corpus
	path  string // in the corpus's directory, or in a mount; "" if there is none on this machine
	size  int64
	local bool // in the directory of the corpus
}

// Inspect returns what the dump contains.
func (f *dumpFile) Inspect() (*dump.Info, error) { return dump.Inspect(f, f.size) }

// openDump opens the file of a dump: in the directory of the corpus, or through the cache. An
// existing mount gives it a path.
func (c *openedCorpus) openDump(ctx context.Context, id dump.ID) (*dumpFile, error) {
	e, err := c.dumpEntry(ctx, id)
	if err != nil {
		return nil, err
	}
	ref := store.Ref{Key: id.String() + "/" + e.Name, ETag: e.ETag}
	if local, ok := store.AsLocal(c.store); ok {
		f, err := local.OpenLocal(ctx, ref)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		return &dumpFile{ReaderAt: f, Closer: f, name: e.Name, path: f.Name(), size: e.Size, local: true}, nil
	}
	blocks, err := c.openCache(mountFlags{})
	if err != nil {
		return nil, err
	}
	f := blocks.Open(ref, e.Size)
	opened := &dumpFile{ReaderAt: cachedFile{ctx, f}, Closer: f, name: e.Name, size: e.Size}
	if mnt := c.existingMount(); mnt != "" {
		opened.path = filepath.Join(mnt, "by-hash", id.String(), fs.FileName(e.Name))
	}
	return opened, nil
}

// dumpEntry returns the object that is the dump itself.
func (c *openedCorpus) dumpEntry(ctx context.Context, id dump.ID) (store.Entry, error) {
	e, err := c.DumpFile(ctx, id)
	if errors.Is(err, store.ErrNotExist) {
		if d, derr := c.Cached(ctx, id); derr == nil {
			err = analyze.WhyNoFile(d)
		}
	}
	if err != nil {
		return e, fmt.Errorf("%s: %w", id, err)
	}
	return e, nil
}

// cachedFile is an io.ReaderAt of a file of the cache.
type cachedFile struct {
	ctx context.Context // of the verb
	f   *cache.File
}

func (r cachedFile) ReadAt(p []byte, off int64) (int, error) { return r.f.ReadAt(r.ctx, p, off) }
