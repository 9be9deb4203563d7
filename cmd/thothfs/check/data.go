package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"thothfs/cache/hotpack"
	"thothfs/corpus"
	"thothfs/corpus/download"
	"thothfs/dump"
	"thothfs/store"
)

// packs checks that hot packs belong to the objects beside them.
func (k *checker) packs(ctx context.Context, id dump.ID, entries []store.Entry, dumpName string) {
	for _, e := range entries {
		if e.Name == corpus.DataMapName && k.ReadData {
			k.dataMap(ctx, id, e, entries, dumpName)
		}
		rest, isPack := strings.CutPrefix(e.Name, corpus.HotPackName)
		if !isPack || e.Dir {
			continue
		}
		of := dumpName
		if rest != "" {
			of = strings.TrimPrefix(rest, ".")
		}
		i := slices.IndexFunc(entries, func(o store.Entry) bool { return o.Name == of && !o.Dir })
		if i < 0 {
			k.found(id, e.Name, "it is the pack of an object that is not there", "it takes space and nothing else: remove it from the store")
			continue
		}
		if err := k.pack(ctx, id, e, entries[i]); errors.Is(err, hotpack.ErrUnusable) {
			k.found(id, e.Name, err.Error(), "the next debug session on a mount with --learn replaces it")
		} else if err != nil && ctx.Err() == nil {
			k.found(id, e.Name, "it cannot be read: "+err.Error(), "check the store")
		}
	}
}

// dataMap checks the map of a dump's data.
func (k *checker) dataMap(ctx context.Context, id dump.ID, e store.Entry, entries []store.Entry, dumpName string) {
	for _, of := range entries {
		if of.Name != dumpName || of.Dir {
			continue
		}
		text, _, err := k.store.Get(ctx, store.Ref{Key: id.String() + "/" + e.Name}, download.MaxMap)
		if err == nil {
			_, err = download.DecodeMap(store.Ref{Key: id.String() + "/" + of.Name, ETag: of.ETag}, of.Size, text)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrNotExist) {
			k.found(id, e.Name, err.Error(), "get fetches the whole dump; remove this object from the store")
		}
	}
}

func (k *checker) pack(ctx context.Context, id dump.ID, pack, of store.Entry) error {
	ref := store.Ref{Key: id.String() + "/" + of.Name, ETag: of.ETag}
	at := store.Ref{Key: id.String() + "/" + pack.Name, ETag: pack.ETag}
	if k.ReadData {
		b, _, err := k.store.Get(ctx, store.Ref{Key: at.Key}, hotpack.MaxSize+1)
		if errors.Is(err, store.ErrTooLarge) {
			return fmt.Errorf("%w: %d bytes", hotpack.ErrUnusable, pack.Size)
		}
		if err == nil {
			_, err = hotpack.Decode(ref, of.Size, b)
		}
		return err
	}
	head := make([]byte, hotpack.HeadSize)
	n, err := k.store.ReadAt(ctx, at, head, 0)
	if n < len(head) && !errors.Is(err, io.EOF) {
		return err
	}
	return hotpack.CheckHead(ref, of.Size, head[:n])
}

// readAll reads every object of a directory and compares it with the MD5 that the store has. It
// also compares the hash of the dump itself with the name of the directory.
func (k *checker) readAll(ctx context.Context, id dump.ID, entries []store.Entry, dumpName string) error {
	select {
	case k.reads <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-k.reads }()
	for _, e := range entries {
		if e.Dir || strings.HasPrefix(e.Name, corpus.HotPackName) || e.Name == corpus.InfoName || e.Name == corpus.DataMapName {
			continue
		}
		err := k.readOne(ctx, id, e, e.Name == dumpName)
		switch {
		case ctx.Err() != nil || errors.Is(err, store.ErrUnavailable):
			return err
		case errors.Is(err, store.ErrStale), errors.Is(err, store.ErrNotExist): // changed meanwhile
		case err != nil:
			k.found(id, e.Name, err.Error(), "thothfs upload of the dump, or attach of the file, after removing this object from the store")
		}
	}
	return nil
}

func (k *checker) readOne(ctx context.Context, id dump.ID, e store.Entry, isDump bool) error {
	ref := store.Ref{Key: id.String() + "/" + e.Name, ETag: e.ETag}
	if e.MD5 == nil {
		attr, err := k.store.Stat(ctx, ref.Key)
		if err != nil {
			return err
		}
		e.MD5 = attr.MD5
	}
	src := &download.Source{Ref: ref, Size: e.Size, MD5: e.MD5}
	src.ReadAt = func(ctx context.Context, p []byte, off int64) (int, error) { return k.store.ReadAt(ctx, ref, p, off) }
	if local, ok := store.AsLocal(k.store); ok {
		f, err := local.OpenLocal(ctx, ref)
		if err != nil {
			return err
		}
		defer f.Close()
		src.Data = download.DataOf(f, e.Size)
		src.ReadAt = func(_ context.Context, p []byte, off int64) (int, error) { return f.ReadAt(p, off) }
	}
	if err := download.ToWriter(ctx, src, io.Discard, nil); err != nil {
		return err
	}
	k.mu.Lock()
	k.rep.ReadData += e.Size
	k.mu.Unlock()
	if !isDump {
		return nil
	}
	return download.HashIs(id)(readerAt(func(p []byte, off int64) (int, error) { return src.ReadAt(ctx, p, off) }), e.Size)
}

type readerAt func(p []byte, off int64) (int, error)

func (r readerAt) ReadAt(p []byte, off int64) (int, error) { return r(p, off) }
