package corpus

import (
	"context"
	"path"
	"strings"

	"thothfs/dump"
	"thothfs/store"
)

// HotPackName is the object beside a dump that holds its hot pack: the pages that a
// debugger reads first, so that the first open is one request. Any other object there,
// such as its vmlinux, has its pack in HotPackName, a dot and its name. Packs are thothfs's
// own, may be removed at any time, and are not shown in the mount. What is in them is
// package cache's matter.
const HotPackName = ".thothfs.hot"

// maxHotPack bounds a hot pack that is read, in bytes.
const maxHotPack = 16 << 20

// MinHotPacked is the size from which an object is worth a request for a pack, in bytes.
const MinHotPacked = 512 << 10

// maxName is the length of the longest name that every store takes, in bytes.
const maxName = 255

// Hot returns the hot pack of the object ref of size bytes, in one round trip;
// store.ErrNotExist when there is none, or none could be of use.
func (c *lister) Hot(ctx context.Context, ref store.Ref, size int64) ([]byte, error) {
	key, ok := c.hotKey(ctx, ref.Key)
	if !ok || size < MinHotPacked {
		return nil, &store.Error{Op: "get", Key: ref.Key, Kind: store.ErrNotExist}
	}
	pack, _, err := c.store.Get(ctx, store.Ref{Key: key}, maxHotPack)
	return pack, err
}

// hotKey returns where the pack of the object key is; false: it has none.
func (c *lister) hotKey(ctx context.Context, key string) (string, bool) {
	dir, name := path.Split(key)
	id, err := dump.ParseID(path.Clean(dir))
	hot := HotPackName
	if err == nil && !c.isDumpFile(ctx, id, name) {
		hot += "." + name
	}
	return dir + hot, err == nil && !strings.HasPrefix(name, HotPackName) && len(hot) <= maxName
}

// isDumpFile reports whether the object called name is the dump of its directory, as
// far as that is known without asking the store.
func (c *lister) isDumpFile(ctx context.Context, id dump.ID, name string) bool {
	entries, _, err := c.cat.Listing(ctx, id.String())
	if err == nil {
		var d *Dump
		if d, err = c.cat.Lookup(ctx, id); err == nil && d != nil {
			if e, ok := PickDump(entries, d.Doc.String("dump")); ok {
				return e.Name == name
			}
		}
	}
	return IsDumpName(name)
}

// PutHot stores the hot pack of the object ref, whatever was there; store.ErrNotExist
// when it can have none.
func (c *Corpus) PutHot(ctx context.Context, ref store.Ref, pack []byte) error {
	key, ok := c.hotKey(ctx, ref.Key)
	if !ok {
		return &store.Error{Op: "put", Key: ref.Key, Kind: store.ErrNotExist}
	}
	return store.Overwrite(ctx, c.store, key, pack)
}
