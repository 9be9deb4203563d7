package corpus

import (
	"context"
	"errors"
	"io"
	"path"
	"strings"

	"thothfs/dump"
	"thothfs/store"
)

// HotName is the object beside a dump that holds its hot pack: the pages that a
// debugger reads first, so that the first open is one request. Any other object there,
// such as its vmlinux, has its pack in HotName, a dot and its name. Packs are thothfs's
// own, may be removed at any time, and are not shown in the mount. What is in them is
// package cache's matter.
const HotName = ".thothfs.hot"

// maxHot bounds a hot pack that is read, in bytes.
const maxHot = 16 << 20

// minHot is the size from which an object is worth a request for a pack, in bytes.
const minHot = 512 << 10

// maxName is the length of the longest name that every store takes, in bytes.
const maxName = 255

// Hot returns the hot pack of the object ref of size bytes, in one round trip;
// store.ErrNotExist when there is none, or none could be of use.
func (c *lister) Hot(ctx context.Context, ref store.Ref, size int64) ([]byte, error) {
	key, ok := c.hotKey(ctx, ref.Key)
	if !ok || size < minHot {
		return nil, &store.Error{Op: "get", Key: ref.Key, Kind: store.ErrNotExist}
	}
	pack, _, err := c.store.Get(ctx, store.Ref{Key: key}, maxHot)
	return pack, err
}

// hotKey returns where the pack of the object key is; false: it has none.
func (c *lister) hotKey(ctx context.Context, key string) (string, bool) {
	dir, name := path.Split(key)
	id, err := dump.ParseID(path.Clean(dir))
	hot := HotName
	if err == nil && !c.isDumpFile(ctx, id, name) {
		hot += "." + name
	}
	return dir + hot, err == nil && !strings.HasPrefix(name, HotName) && len(hot) <= maxName
}

// isDumpFile reports whether the object called name is the dump of its directory, as
// far as that is known without asking the store.
func (c *lister) isDumpFile(ctx context.Context, id dump.ID, name string) bool {
	entries, _, err := c.cat.Listing(ctx, id.String())
	if err == nil {
		var d *Dump
		if d, err = c.cat.Lookup(ctx, id); err == nil && d != nil {
			if e, ok := pickDump(entries, d.Doc.String("dump")); ok {
				return e.Name == name
			}
		}
	}
	return looksLikeDump(name)
}

// PutHot stores the hot pack of the object ref, whatever was there; store.ErrNotExist
// when it can have none.
func (c *Corpus) PutHot(ctx context.Context, ref store.Ref, pack []byte) error {
	key, ok := c.hotKey(ctx, ref.Key)
	if !ok {
		return &store.Error{Op: "put", Key: ref.Key, Kind: store.ErrNotExist}
	}
	return c.putHot(ctx, key, pack)
}

func (c *Corpus) putHot(ctx context.Context, key string, pack []byte) error {
	hot := store.Ref{Key: key}
	_, err := c.store.Put(ctx, hot, bytesAt(pack), int64(len(pack)))
	if !errors.Is(err, store.ErrConflict) {
		return err
	}
	attr, err := c.store.Stat(ctx, hot.Key)
	if err != nil {
		return err
	}
	hot.ETag = attr.ETag
	_, err = c.store.Put(ctx, hot, bytesAt(pack), int64(len(pack)))
	return err
}

// pack stores the hot pack of the dump just stored. A dump without one is slower to
// open, and nothing else.
func (u *upload) pack(ctx context.Context, stored store.Ref) {
	if u.o.Pack == nil || u.src.size < minHot {
		return
	}
	pack, err := u.o.Pack(stored, u.src.file, u.src.size)
	if err == nil {
		err = u.c.putHot(ctx, path.Dir(stored.Key)+"/"+HotName, pack)
	}
	if err != nil {
		u.c.log.Info("no hot pack", "key", stored.Key, "error", err)
	}
}

// PackFunc makes the hot pack of the version ref, whose size bytes src reads.
type PackFunc func(ref store.Ref, src io.ReaderAt, size int64) ([]byte, error)
