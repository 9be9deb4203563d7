package corpus

import (
	"context"
	"path"
	"strings"

	"thothfs/dump"
	"thothfs/store"
)

// HotPackName is the name of the object with the hot pack of a dump, beside the dump. A hot pack
// holds the pages that a debugger reads first, so that the first open takes a single request. The
// pack of another object in the directory, such as a vmlinux, is named HotPackName, a dot and the
// name of that object. Packs may be removed at any time. Mounts do not show them. Package
// cache/hotpack defines their format.
const HotPackName = ".thothfs.hot"

// DataMapName is the name of the object that tells which parts of the dump beside it are not zeros.
// Package corpus/download defines its format. It may be removed at any time, and mounts do not show it.
const DataMapName = ".thothfs.data"

// MinHotPacked is the minimum size in bytes of an object with a hot pack.
const MinHotPacked = 512 << 10

const (
	maxHotPack = 16 << 20 // maximum size of a pack that is read, in bytes
	maxName    = 255      // maximum length of a name that every store accepts, in bytes
)

// HotPack returns the hot pack of the object ref, which has size bytes, in one round trip. It
// returns store.ErrNotExist if there is none or the object is too small to have one.
func (c *lister) HotPack(ctx context.Context, ref store.Ref, size int64) ([]byte, error) {
	key, ok := c.hotPackKey(ctx, ref.Key)
	if !ok || size < MinHotPacked {
		return nil, notExist("get", ref.Key)
	}
	pack, _, err := c.store.Get(ctx, store.Ref{Key: key}, maxHotPack)
	return pack, err
}

// PutHotPack stores the hot pack of the object ref, replacing an existing one. It returns
// store.ErrNotExist for an object that cannot have a hot pack.
func (c *lister) PutHotPack(ctx context.Context, ref store.Ref, pack []byte) error {
	key, ok := c.hotPackKey(ctx, ref.Key)
	if !ok {
		return notExist("put", ref.Key)
	}
	return store.Overwrite(ctx, c.store, key, pack)
}

// hotPackKey returns the key of the pack for the object at key, or false if the object cannot have
// one.
func (c *lister) hotPackKey(ctx context.Context, key string) (string, bool) {
	dir, name := path.Split(key)
	id, err := dump.ParseID(path.Clean(dir))
	pack := HotPackName
	if err == nil && !c.isDumpFile(ctx, id, name) {
		pack += "." + name
	}
	return dir + pack, err == nil && !strings.HasPrefix(name, HotPackName) && len(pack) <= maxName
}

// isDumpFile reports whether name is the dump of its directory according to the catalogue.
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
