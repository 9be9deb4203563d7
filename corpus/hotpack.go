package corpus

import (
	"context"
	"path"
	"strings"

	"thothfs/dump"
	"thothfs/store"
)

// HotPackName is the object beside a dump with its hot pack: the pages that a debugger reads
// first, which make the first open one request. Another object there, such as a vmlinux, has
// its pack in HotPackName, a dot and its name. Packs may be removed at any time. Mounts do
// not show them. Package cache defines their format.
const HotPackName = ".thothfs.hot"

// MinHotPacked is the size in bytes from which an object has a hot pack.
const MinHotPacked = 512 << 10

const (
	maxHotPack = 16 << 20 // bytes of a pack that is read
	maxName    = 255      // bytes of a name that every store takes
)

// HotPack returns the hot pack of the object ref of size bytes, in one round trip. It returns
// store.ErrNotExist if there is none, or the object is too small to have one.
func (c *lister) HotPack(ctx context.Context, ref store.Ref, size int64) ([]byte, error) {
	key, ok := c.hotPackKey(ctx, ref.Key)
	if !ok || size < MinHotPacked {
		return nil, notExist("get", ref.Key)
	}
	pack, _, err := c.store.Get(ctx, store.Ref{Key: key}, maxHotPack)
	return pack, err
}

// PutHotPack stores the hot pack of the object ref, in place of another. It returns
// store.ErrNotExist for an object that cannot have one.
func (c *lister) PutHotPack(ctx context.Context, ref store.Ref, pack []byte) error {
	key, ok := c.hotPackKey(ctx, ref.Key)
	if !ok {
		return notExist("put", ref.Key)
	}
	return store.Overwrite(ctx, c.store, key, pack)
}

// hotPackKey returns the key of the pack of the object key, or false if it cannot have one.
func (c *lister) hotPackKey(ctx context.Context, key string) (string, bool) {
	dir, name := path.Split(key)
	id, err := dump.ParseID(path.Clean(dir))
	pack := HotPackName
	if err == nil && !c.isDumpFile(ctx, id, name) {
		pack += "." + name
	}
	return dir + pack, err == nil && !strings.HasPrefix(name, HotPackName) && len(pack) <= maxName
}

// isDumpFile reports whether the object called name is the dump of its directory, as far as
// the catalogue knows.
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
