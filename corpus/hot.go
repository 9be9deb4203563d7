package corpus

import (
	"context"
	"errors"
	"io"
	"path"

	"thothfs/dump"
	"thothfs/store"
)

// HotName is the object beside a dump that holds its hot pack: the pages that a
// debugger reads first, so that the first open is one request. It is thothfs's
// own, may be removed at any time, and is not shown in the mount. What is in it
// is package cache's matter.
const HotName = ".thothfs.hot"

// maxHot bounds a hot pack that is read, in bytes.
const maxHot = 16 << 20

// minHot is the size from which an object is worth a request for a pack, in bytes.
const minHot = 512 << 10

// Hot returns the hot pack beside the object ref of size bytes, in one round trip;
// store.ErrNotExist when there is none, or none could be of use.
func (c *Corpus) Hot(ctx context.Context, ref store.Ref, size int64) ([]byte, error) {
	dir, name := path.Split(ref.Key)
	if _, err := dump.ParseID(path.Clean(dir)); err != nil || size < minHot || name == HotName {
		return nil, &store.Error{Op: "get", Key: ref.Key, Kind: store.ErrNotExist}
	}
	pack, _, err := c.store.Get(ctx, store.Ref{Key: dir + HotName}, maxHot)
	return pack, err
}

// PutHot stores the hot pack of the object ref, whatever was there.
func (c *Corpus) PutHot(ctx context.Context, ref store.Ref, pack []byte) error {
	hot := store.Ref{Key: path.Dir(ref.Key) + "/" + HotName}
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
		err = u.c.PutHot(ctx, stored, pack)
	}
	if err != nil {
		u.c.log.Info("no hot pack", "key", stored.Key, "error", err)
	}
}

// PackFunc makes the hot pack of the version ref, whose size bytes src reads.
type PackFunc func(ref store.Ref, src io.ReaderAt, size int64) ([]byte, error)
