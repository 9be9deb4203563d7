package corpus

import (
	"context"
	"errors"
	"io"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"thothfs/corpus/catalog"
	"thothfs/corpus/changelog"
	"thothfs/store"
)

const (
	snapshotKey     = ".thothfs/index"
	downloadPiece   = 4 << 20
	downloadsAtOnce = 8
)

// Publish stores a snapshot of the catalogue, replacing the existing one, and removes old entries
// of the change log. The whole corpus must have been read (see Synced). If two clients publish at
// the same time, one of them gets store.ErrConflict, which does no harm. progress, if not nil, is
// called with the number of bytes sent.
func (c *syncer) Publish(ctx context.Context, progress func(done, total int64)) (catalog.Snapshot, error) {
	s := catalog.Snapshot{Time: c.now().UTC(), Key: snapshotKey}
	if !c.Synced() {
		return s, errors.New("the corpus was not read to its end yet")
	}
	dir, err := c.cat.TempDir()
	if err != nil {
		return s, err
	}
	defer dir.Remove()
	old, err := c.store.Stat(ctx, snapshotKey) // before the new one is made
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return s, err
	}
	db := filepath.Join(dir.Path, "index.db")
	if s.Dumps, err = c.cat.Export(ctx, db); err != nil {
		return s, err
	}
	f, err := s.Pack(ctx, db)
	if err != nil {
		return s, err
	}
	defer f.Close()
	if _, err := c.store.Put(ctx, store.Ref{Key: snapshotKey, ETag: old.ETag}, store.TrackReads(f, s.Size, progress), s.Size); err != nil {
		return s, err
	}
	return s, changelog.Trim(ctx, c.store, c.storeNow().Add(-changelog.Retention))
}

// Export writes the catalogue as an SQLite database to a new file. The tables may differ between
// versions.
func (c *base) Export(ctx context.Context, path string) error {
	_, err := c.cat.Export(ctx, path)
	return err
}

// TakeSnapshot fills an empty catalogue from the snapshot in the store and reports whether it did
// so. The caller should then call Sync, which reads what has changed since. An invalid snapshot is
// ignored and logged. progress, if not nil, is called with the number of bytes received.
func (s *syncer) TakeSnapshot(ctx context.Context, progress func(done, total int64)) (taken bool, err error) {
	err = s.exclusively(ctx, func() error {
		taken, err = s.takeSnapshot(ctx, progress)
		return err
	})
	return taken, err
}

func (s *syncer) takeSnapshot(ctx context.Context, progress func(done, total int64)) (bool, error) {
	listed, err := s.cat.Get(ctx, catalog.Listed)
	if err != nil || listed != "" {
		return false, err
	}
	attr, err := s.store.Stat(ctx, snapshotKey)
	s.availability.record(s.now(), err, s.log)
	if errors.Is(err, store.ErrNotExist) || err == nil && attr.Dir {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	dir, err := s.cat.TempDir()
	if err != nil {
		return false, err
	}
	defer dir.Remove()
	db := filepath.Join(dir.Path, "index.db")
	taken := false
	if err = s.download(ctx, store.Ref{Key: snapshotKey, ETag: attr.ETag}, attr.Size, db, progress); err == nil {
		taken, err = s.cat.Install(ctx, db)
	}
	if errors.Is(err, catalog.ErrNoSnapshot) {
		s.log.Warn("the snapshot of the corpus cannot be used: every document is read instead", "key", snapshotKey, "error", err)
		return false, nil
	}
	return taken, err
}

// CheckSnapshot returns store.ErrNotExist if there is no snapshot in the store, and
// catalog.ErrNoSnapshot if it cannot be used. It reads only the header unless whole is set.
func (s *syncer) CheckSnapshot(ctx context.Context, whole bool) error {
	attr, err := s.store.Stat(ctx, snapshotKey)
	if err != nil {
		return err
	}
	ref := store.Ref{Key: snapshotKey, ETag: attr.ETag}
	if !whole {
		head := make([]byte, catalog.SnapshotHeader)
		if n, err := s.store.ReadAt(ctx, ref, head, 0); n < len(head) && !errors.Is(err, io.EOF) {
			return err
		}
		_, err = catalog.ParseSnapshot(head, attr.Size)
		return err
	}
	dir, err := s.cat.TempDir()
	if err != nil {
		return err
	}
	defer dir.Remove()
	return s.download(ctx, ref, attr.Size, filepath.Join(dir.Path, "index.db"), nil)
}

// download downloads a snapshot and unpacks its database to path.
func (c *base) download(ctx context.Context, ref store.Ref, size int64, path string, progress func(done, total int64)) error {
	head := make([]byte, catalog.SnapshotHeader)
	if size < catalog.SnapshotHeader {
		return catalog.ErrNoSnapshot
	}
	if _, err := c.store.ReadAt(ctx, ref, head, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	s, err := catalog.ParseSnapshot(head, size)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w := io.Pipe()
	fetched := make(chan error, 1)
	go func() { // stopped by cancel or r.Close
		err := c.fetchPieces(ctx, ref, size, w, progress)
		w.CloseWithError(err)
		fetched <- err
	}()
	err = s.Unpack(ctx, r, path)
	r.CloseWithError(errUnpacked)
	cancel()
	if ferr := <-fetched; ferr != nil && !errors.Is(ferr, errUnpacked) && !errors.Is(ferr, context.Canceled) {
		return ferr // the reason why unpacking failed
	}
	return err
}

// errUnpacked means that no more data is needed.
var errUnpacked = errors.New("unpacked")

// fetchPieces writes everything after the header of a snapshot to w, in order. It reads several
// pieces ahead.
func (c *base) fetchPieces(ctx context.Context, ref store.Ref, size int64, w io.Writer, progress func(done, total int64)) error {
	group, gctx := errgroup.WithContext(ctx)
	pieces := make(chan chan []byte, downloadsAtOnce)
	group.Go(func() error {
		defer close(pieces)
		for off := int64(catalog.SnapshotHeader); off < size; off += downloadPiece {
			piece := make(chan []byte, 1)
			select {
			case pieces <- piece:
			case <-gctx.Done():
				return gctx.Err()
			}
			group.Go(func() error {
				buf := make([]byte, min(downloadPiece, size-off))
				if n, err := c.store.ReadAt(gctx, ref, buf, off); n < len(buf) {
					return errors.Join(err, io.ErrUnexpectedEOF)
				}
				piece <- buf
				return nil
			})
		}
		return nil
	})
	group.Go(func() error {
		done := int64(catalog.SnapshotHeader)
		for piece := range pieces {
			select {
			case buf := <-piece:
				if _, err := w.Write(buf); err != nil {
					return err
				}
				c.availability.progress()
				if done += int64(len(buf)); progress != nil {
					progress(done, size)
				}
			case <-gctx.Done():
				return gctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}
