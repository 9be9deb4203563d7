package corpus

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"thothfs/corpus/changelog"
	"thothfs/store"
)

// A snapshot is the catalogue of a whole corpus as one object of it, so that who comes
// new need not read a document for every dump. It is little-endian:
//
//	0 magic, 16 XXH64 of all that follows, 24 when it was made in milliseconds since 1970,
//	32 dumps, 40 bytes of the database, 48 the SQLite database in one zstd frame
//
// The database is a catalogue without what is one machine's own. Who may write a snapshot
// may write the documents as well, so what it says of them is believed until they are
// looked at; its form is not believed.
const (
	snapshotKey    = ".thothfs/index"
	snapshotMagic  = "thothfs index 1\n"
	snapshotHeader = 48
	// maxDatabase is how large a database is taken, in bytes.
	maxDatabase = 64 << 30

	downloadPiece   = 4 << 20
	downloadsAtOnce = 8
)

// ErrNoSnapshot is an object that is no snapshot of this version, or damaged.
var ErrNoSnapshot = errors.New("no snapshot, or not of this version")

// Snapshot is what is known of a snapshot from its header.
type Snapshot struct {
	Time     time.Time // when it was made
	Dumps    int64
	Size     int64  // of the object, in bytes
	Database int64  // of the database in it, in bytes
	Key      string // of the object
}

// header encodes s, for a payload of this sum.
func (s Snapshot) header() []byte {
	b := make([]byte, snapshotHeader)
	copy(b, snapshotMagic)
	binary.LittleEndian.PutUint64(b[24:], uint64(s.Time.UnixMilli()))
	binary.LittleEndian.PutUint64(b[32:], uint64(s.Dumps))
	binary.LittleEndian.PutUint64(b[40:], uint64(s.Database))
	return b
}

func parseSnapshot(b []byte, size int64) (s Snapshot, sum uint64, err error) {
	if len(b) < snapshotHeader || string(b[:16]) != snapshotMagic {
		return s, 0, ErrNoSnapshot
	}
	le := binary.LittleEndian
	s = Snapshot{Time: time.UnixMilli(int64(le.Uint64(b[24:]))).UTC(), Dumps: int64(le.Uint64(b[32:])),
		Size: size, Database: int64(le.Uint64(b[40:])), Key: snapshotKey}
	if s.Dumps < 0 || s.Database < 0 || s.Database > maxDatabase {
		return s, 0, fmt.Errorf("%w: a database of %d bytes", ErrNoSnapshot, s.Database)
	}
	return s, le.Uint64(b[16:]), nil
}

// Publish puts what the catalogue knows into the store as a snapshot, in place of the one
// that is there, and removes what the change log told before. The whole corpus must have
// been read (see Synced). Of two who publish at once one is told store.ErrConflict, which
// is no harm: there is a snapshot of that moment. progress, if not nil, is called with
// bytes sent.
func (c *Corpus) Publish(ctx context.Context, progress func(done, total int64)) (Snapshot, error) {
	if !c.Synced() {
		return Snapshot{}, errors.New("the corpus was not read to its end yet")
	}
	dir, err := c.cat.tempDir()
	if err != nil {
		return Snapshot{}, err
	}
	defer os.RemoveAll(dir)
	old, err := c.store.Stat(ctx, snapshotKey) // before what is to replace it is made
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return Snapshot{}, err
	}
	s := Snapshot{Time: c.now().UTC(), Key: snapshotKey}
	db := filepath.Join(dir, "index.db")
	if s.Dumps, err = c.cat.export(ctx, db); err != nil {
		return s, err
	}
	f, err := s.pack(ctx, db)
	if err != nil {
		return s, err
	}
	defer f.Close()
	if _, err := c.store.Put(ctx, store.Ref{Key: snapshotKey, ETag: old.ETag}, &sending{f, s.Size, progress}, s.Size); err != nil {
		return s, err
	}
	return s, changelog.Trim(ctx, c.store, c.storeNow().Add(-changelog.Retention))
}

// Export writes the catalogue as an SQLite database to a new file. The columns of the
// tables are not promised to stay as they are.
func (c *Corpus) Export(ctx context.Context, path string) error {
	_, err := c.cat.export(ctx, path)
	return err
}

// tempDir makes a private directory beside the catalogue, and removes those of processes
// that were killed, after a day.
func (c *catalogue) tempDir() (string, error) {
	parent := filepath.Dir(c.filePath())
	left, _ := filepath.Glob(filepath.Join(parent, "snapshot-*"))
	for _, dir := range left {
		if fi, err := os.Lstat(dir); err == nil && fi.IsDir() && time.Since(fi.ModTime()) > 24*time.Hour {
			os.RemoveAll(dir)
		}
	}
	return os.MkdirTemp(parent, "snapshot-")
}

// export writes the catalogue, without what is this machine's own, to a new file.
func (c *catalogue) export(ctx context.Context, path string) (dumps int64, err error) {
	err = c.try(ctx, func(db *database) error {
		os.Remove(path) // of a first try
		_, err := db.writer.ExecContext(ctx, `VACUUM INTO ?`, path)
		return err
	})
	if err != nil {
		return 0, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return 0, err
	}
	db, err := pool(ctx, path, "_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)", 1)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `DELETE FROM journal; DELETE FROM listings; DELETE FROM seen; DELETE FROM meta WHERE key = 'identity'`); err != nil {
		return 0, err
	}
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM dumps`).Scan(&dumps)
	return dumps, errors.Join(err, db.Close())
}

// pack makes the object from a database, beside it, and says how large both are. The
// caller closes the file.
func (s *Snapshot) pack(ctx context.Context, db string) (*os.File, error) {
	in, err := os.Open(db)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	out, err := os.OpenFile(db+".zst", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := s.fill(ctx, out, in); err != nil {
		out.Close()
		return nil, err
	}
	return out, nil
}

func (s *Snapshot) fill(ctx context.Context, out *os.File, in *os.File) error {
	fi, err := in.Stat()
	if err != nil {
		return err
	}
	s.Database = fi.Size()
	head, sum := s.header(), xxhash.New()
	sum.Write(head[24:])
	if _, err := out.Write(head); err != nil {
		return err
	}
	z, err := zstd.NewWriter(io.MultiWriter(out, sum))
	if err != nil {
		return err
	}
	if _, err := copyContext(ctx, z, in); err != nil {
		z.Close()
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if s.Size, err = out.Seek(0, io.SeekCurrent); err != nil {
		return err
	}
	binary.LittleEndian.PutUint64(head[16:], sum.Sum64())
	_, err = out.WriteAt(head[:24], 0)
	return err
}

// TakeSnapshot fills a catalogue that knows nothing yet from the snapshot in the store.
// It returns whether it did; a Sync is to follow, which catches up. A snapshot that is not
// in order is passed over with a word in the log. progress, if not nil, is called with
// bytes received.
func (c *Corpus) TakeSnapshot(ctx context.Context, progress func(done, total int64)) (taken bool, err error) {
	err = c.exclusively(ctx, func() error {
		taken, err = c.takeSnapshot(ctx, progress)
		return err
	})
	return taken, err
}

func (c *Corpus) takeSnapshot(ctx context.Context, progress func(done, total int64)) (bool, error) {
	listed, err := c.cat.meta(ctx, metaListed)
	if err != nil || listed != "" {
		return false, err
	}
	attr, err := c.store.Stat(ctx, snapshotKey)
	c.availability.record(c.now(), err, c.log)
	if errors.Is(err, store.ErrNotExist) || err == nil && attr.Dir {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	dir, err := c.cat.tempDir()
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	ref := store.Ref{Key: snapshotKey, ETag: attr.ETag}
	db := filepath.Join(dir, "index.db")
	if err = c.download(ctx, ref, attr.Size, db, progress); err == nil {
		err = checkSnapshot(ctx, db, c.cat.identity)
	}
	if errors.Is(err, ErrNoSnapshot) || broken(err) {
		c.log.Warn("the snapshot of the corpus is of no use: every document is read instead", "key", snapshotKey, "error", err)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return c.cat.install(ctx, db)
}

// download gets the object and unpacks the database in it to path.
func (c *Corpus) download(ctx context.Context, ref store.Ref, size int64, path string, progress func(done, total int64)) error {
	head := make([]byte, snapshotHeader)
	if size < snapshotHeader {
		return ErrNoSnapshot
	}
	if _, err := c.store.ReadAt(ctx, ref, head, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	s, want, err := parseSnapshot(head, size)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w := io.Pipe()
	fetched := make(chan error, 1)
	go func() { // ended by cancel, or by r.Close
		err := c.fetchPieces(ctx, ref, size, w, progress)
		w.CloseWithError(err)
		fetched <- err
	}()
	err = unpackSnapshot(ctx, r, head, path, s, want)
	r.CloseWithError(errUnpacked)
	cancel()
	if ferr := <-fetched; ferr != nil && !errors.Is(ferr, errUnpacked) && !errors.Is(ferr, context.Canceled) {
		return ferr // which is why it cannot be unpacked
	}
	return err
}

// errUnpacked says that no more is needed.
var errUnpacked = errors.New("unpacked")

// fetchPieces writes what comes after the header of an object to w, in order, reading
// some pieces ahead.
func (c *Corpus) fetchPieces(ctx context.Context, ref store.Ref, size int64, w io.Writer, progress func(done, total int64)) error {
	group, gctx := errgroup.WithContext(ctx)
	pieces := make(chan chan []byte, downloadsAtOnce)
	group.Go(func() error {
		defer close(pieces)
		for off := int64(snapshotHeader); off < size; off += downloadPiece {
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
		done := int64(snapshotHeader)
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

// unpackSnapshot unpacks as many bytes as the header says from r, which is what comes after
// it, to path, and checks the sum.
func unpackSnapshot(ctx context.Context, r io.Reader, head []byte, path string, s Snapshot, want uint64) error {
	sum := xxhash.New()
	sum.Write(head[24:])
	r = io.TeeReader(r, sum)
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxWindow(64<<20), zstd.WithDecoderLowmem(true))
	if err != nil {
		return err
	}
	defer z.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	n, err := copyContext(ctx, out, io.LimitReader(z, s.Database+1))
	if err == nil && n != s.Database {
		err = fmt.Errorf("%d bytes instead of %d", n, s.Database)
	}
	if cerr := out.Close(); cerr != nil {
		return cerr
	}
	if err == nil && sum.Sum64() != want {
		err = errors.New("its checksum is another")
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: %w", ErrNoSnapshot, err)
	}
	return err
}

// checkSnapshot makes sure that a database is a catalogue of ours and no more, gives it
// the identity of the corpus, and returns ErrNoSnapshot if it is none. A table that is not
// ours, or a trigger, would be run.
func checkSnapshot(ctx context.Context, path, identity string) error {
	if err := checkHeader(path); err != nil {
		return fmt.Errorf("%w: %w", ErrNoSnapshot, err)
	}
	db, err := pool(ctx, path, "_pragma=journal_mode(OFF)&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)", 1)
	if err != nil {
		return err
	}
	defer db.Close()
	fresh, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return err
	}
	defer fresh.Close()
	fresh.SetMaxOpenConns(1)
	if _, err := fresh.ExecContext(ctx, schema); err != nil {
		return err
	}
	have, err := schemaOf(ctx, db)
	if err != nil {
		return err
	}
	want, err := schemaOf(ctx, fresh)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, want) {
		return fmt.Errorf("%w: other tables", ErrNoSnapshot)
	}
	var odd int
	if err := db.QueryRowContext(ctx, oddRows).Scan(&odd); err != nil {
		return err
	}
	if odd > 0 {
		return fmt.Errorf("%w: %d rows of another form", ErrNoSnapshot, odd)
	}
	if _, err := db.ExecContext(ctx, `DELETE FROM journal; DELETE FROM listings; DELETE FROM seen; DELETE FROM meta WHERE key NOT IN (?, ?, ?, ?, ?, ?)`,
		metaRoot, metaListed, metaEntries, metaComplete, metaLogETag, metaLogLatest); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `INSERT INTO meta (key, value) VALUES ('identity', ?)`, identity)
	return errors.Join(err, db.Close())
}

// oddRows counts what no catalogue of ours has: values of another type than we read them as.
const oddRows = `SELECT (SELECT count(*) FROM dumps WHERE typeof(id) <> 'blob' OR length(id) <> 16 OR typeof(n) <> 'integer' OR typeof(etag) <> 'text'
	OR typeof(size) <> 'integer' OR typeof(mtime) <> 'integer' OR typeof(checked) <> 'integer' OR typeof(dirtag) <> 'text' OR typeof(damage) <> 'text'
	OR typeof(odd) <> 'integer' OR typeof(time) NOT IN ('integer', 'null') OR typeof(nsec) <> 'integer' OR NOT EXISTS (SELECT 1 FROM docs WHERE docs.n = dumps.n AND docs.id = dumps.id))
	+ (SELECT count(*) FROM docs WHERE typeof(doc) <> 'blob') + ((SELECT count(*) FROM docs) <> (SELECT count(*) FROM dumps))
	+ (SELECT count(*) FROM pending WHERE typeof(id) <> 'blob' OR length(id) <> 16 OR typeof(tries) <> 'integer' OR typeof(due) <> 'integer' OR typeof(dirtag) <> 'text')`

// schemaOf returns all that a database has tables, indexes and the like for.
func schemaOf(ctx context.Context, db *sql.DB) ([]byte, error) {
	var b bytes.Buffer
	err := each(ctx, db, func(scan func(...any) error) error {
		var kind, name, text string
		err := scan(&kind, &name, &text)
		fmt.Fprintf(&b, "%q %q %q\n", kind, name, text)
		return err
	}, `SELECT type, name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT IN ('sqlite_stat1', 'sqlite_stat4') ORDER BY type, name`)
	return b.Bytes(), err
}

// install puts a database in the place of the catalogue, unless that has come to know
// something meanwhile.
func (c *catalogue) install(ctx context.Context, path string) (bool, error) {
	target := c.filePath()
	done, err := func() (bool, error) {
		unlock, err := lockFile(target + ".lock")
		if err != nil {
			return false, err
		}
		defer unlock()
		listed, err := c.meta(ctx, metaListed)
		if err != nil || listed != "" || !c.current().isAt(target) {
			return false, err
		}
		discard(target)
		return true, os.Rename(path, target)
	}()
	if err != nil || !done {
		return false, err
	}
	return true, c.reopenReplaced(ctx)
}
