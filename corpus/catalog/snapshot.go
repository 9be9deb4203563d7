package catalog

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

	"thothfs/internal/tempdir"
	"thothfs/internal/withctx"
)

// ErrNoSnapshot means that an object is not a snapshot in this format, or is damaged.
var ErrNoSnapshot = errors.New("no snapshot, or not of this version")

// TempDir creates a private directory beside the catalogue file and removes those left by killed
// processes. The caller must remove it.
func (c *Catalog) TempDir() (*tempdir.Dir, error) {
	const prefix = "snapshot-"
	parent := filepath.Dir(c.Path())
	tempdir.Sweep(parent, prefix, nil)
	return tempdir.Make(parent, prefix)
}

// Export writes the catalogue as an SQLite database to a new file and returns the number of dumps
// in it. Data that concerns only this machine is left out.
func (c *Catalog) Export(ctx context.Context, path string) (dumps int64, err error) {
	err = c.retry(ctx, func(db *database) error {
		os.Remove(path) // left by the first try
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
	if _, err := db.ExecContext(ctx, clearPrivate+` = 'identity'`); err != nil {
		return 0, err
	}
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM dumps`).Scan(&dumps)
	return dumps, errors.Join(err, db.Close())
}

// clearPrivate removes data that concerns only this machine. A condition on the key of notes must
// be appended.
const clearPrivate = `DELETE FROM journal; DELETE FROM listings; DELETE FROM seen; DELETE FROM meta WHERE key`

// Install replaces this catalogue with a database written by Export, possibly on another machine.
// It reports whether it did so; it does not if the corpus has been listed in the meantime. If the
// database is not valid, Install returns ErrNoSnapshot.
func (c *Catalog) Install(ctx context.Context, path string) (bool, error) {
	err := checkSnapshot(ctx, path, c.identity)
	if broken(err) {
		err = fmt.Errorf("%w: %w", ErrNoSnapshot, err)
	}
	if err != nil {
		return false, err
	}
	installed, err := c.install(ctx, path)
	if err != nil || !installed {
		return false, err
	}
	return true, c.Follow(ctx)
}

func (c *Catalog) install(ctx context.Context, path string) (bool, error) {
	target := c.Path()
	unlock, err := lockFile(ctx, target+".lock")
	if err != nil {
		return false, err
	}
	defer unlock()
	listed, err := c.Get(ctx, Listed)
	if err != nil || listed != "" || !c.current().isAt(target) {
		return false, err
	}
	discard(target)
	return true, os.Rename(path, target)
}

// checkSnapshot returns ErrNoSnapshot unless the database has exactly the tables of a catalogue,
// since SQLite would run a foreign trigger. It gives the database the identity of the corpus.
func checkSnapshot(ctx context.Context, path, id string) error {
	if err := checkHeader(path); err != nil {
		return err
	}
	db, err := pool(ctx, path, "_pragma=journal_mode(OFF)&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)", 1)
	if err != nil {
		return err
	}
	defer db.Close()
	have, err := schemaOf(ctx, db)
	if err != nil {
		return err
	}
	want, err := newSchema(ctx)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, want) {
		return fmt.Errorf("%w: other tables", ErrNoSnapshot)
	}
	var invalid int
	if err := db.QueryRowContext(ctx, invalidRows).Scan(&invalid); err != nil {
		return err
	}
	if invalid > 0 {
		return fmt.Errorf("%w: %d rows of another form", ErrNoSnapshot, invalid)
	}
	if _, err := db.ExecContext(ctx, clearPrivate+` NOT IN (?, ?, ?, ?, ?, ?)`,
		RootTag, Listed, EntryCount, Complete, logTag, logLatest); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `INSERT INTO meta (key, value) VALUES ('identity', ?)`, id)
	return errors.Join(err, db.Close())
}

// invalidRows counts the rows whose values have types that a catalogue does not contain.
const invalidRows = `SELECT (SELECT count(*) FROM dumps WHERE typeof(id) <> 'blob' OR length(id) <> 16 OR typeof(n) <> 'integer' OR typeof(etag) <> 'text'
	OR typeof(size) <> 'integer' OR typeof(mtime) <> 'integer' OR typeof(checked) <> 'integer' OR typeof(dirtag) <> 'text' OR typeof(damage) <> 'text'
	OR typeof(odd) <> 'integer' OR typeof(time) NOT IN ('integer', 'null') OR typeof(nsec) <> 'integer' OR NOT EXISTS (SELECT 1 FROM docs WHERE docs.n = dumps.n AND docs.id = dumps.id))
	+ (SELECT count(*) FROM docs WHERE typeof(doc) <> 'blob') + (SELECT count(*) FROM names WHERE typeof(name) <> 'text') + ((SELECT count(*) FROM docs) <> (SELECT count(*) FROM dumps))
	+ (SELECT count(*) FROM pending WHERE typeof(id) <> 'blob' OR length(id) <> 16 OR typeof(tries) <> 'integer' OR typeof(due) <> 'integer' OR typeof(dirtag) <> 'text')`

// newSchema returns what schemaOf returns for a new catalogue.
func newSchema(ctx context.Context) ([]byte, error) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, err
	}
	return schemaOf(ctx, db)
}

// schemaOf describes the tables, indexes, triggers and views of a database.
func schemaOf(ctx context.Context, db *sql.DB) ([]byte, error) {
	var b bytes.Buffer
	err := each(ctx, db, func(scan scanFunc) error {
		var kind, name, text string
		err := scan(&kind, &name, &text)
		fmt.Fprintf(&b, "%q %q %q\n", kind, name, text)
		return err
	}, `SELECT type, name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT IN ('sqlite_stat1', 'sqlite_stat4') ORDER BY type, name`)
	return b.Bytes(), err
}

// A snapshot is the catalogue of a whole corpus in one object. It saves a new client from reading
// the document of every dump. It is little-endian:
//
//	0 magic, 16 XXH64 of all that follows, 24 time of creation in milliseconds since 1970,
//	32 dumps, 40 bytes of the database, 48 the SQLite database in one zstd frame
//
// Any client that can write a snapshot can write the documents as well, so what it says about them
// is trusted until they are checked. Its format is not trusted.
const (
	snapshotMagic = "thothfs index 1\n"
	// SnapshotHeader is the length of the header, which precedes the database, in bytes.
	SnapshotHeader = 48
	// maxDatabase is the maximum size of the database in a snapshot, in bytes.
	maxDatabase = 64 << 30
)

// Snapshot holds the header of a snapshot.
type Snapshot struct {
	Time     time.Time // time of creation
	Dumps    int64
	Size     int64  // size of the object, in bytes
	Database int64  // size of the database in it, in bytes
	Key      string // key of the object

	head []byte
}

// ParseSnapshot parses the header of an object of size bytes.
func ParseSnapshot(head []byte, size int64) (*Snapshot, error) {
	if len(head) < SnapshotHeader || string(head[:16]) != snapshotMagic {
		return nil, ErrNoSnapshot
	}
	le := binary.LittleEndian
	s := &Snapshot{Time: time.UnixMilli(int64(le.Uint64(head[24:]))).UTC(), Dumps: int64(le.Uint64(head[32:])),
		Size: size, Database: int64(le.Uint64(head[40:])), head: head[:SnapshotHeader]}
	if s.Dumps < 0 || s.Database < 0 || s.Database > maxDatabase {
		return nil, fmt.Errorf("%w: a database of %d bytes", ErrNoSnapshot, s.Database)
	}
	return s, nil
}

// Pack writes the object for the database at path to a file beside it, and sets s.Size and
// s.Database. The caller must close the file.
func (s *Snapshot) Pack(ctx context.Context, path string) (*os.File, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	out, err := os.OpenFile(path+".zst", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := s.pack(ctx, out, in); err != nil {
		out.Close()
		return nil, err
	}
	return out, nil
}

func (s *Snapshot) pack(ctx context.Context, out, in *os.File) error {
	fi, err := in.Stat()
	if err != nil {
		return err
	}
	s.Database = fi.Size()
	head, sum := make([]byte, SnapshotHeader), xxhash.New()
	copy(head, snapshotMagic)
	binary.LittleEndian.PutUint64(head[24:], uint64(s.Time.UnixMilli()))
	binary.LittleEndian.PutUint64(head[32:], uint64(s.Dumps))
	binary.LittleEndian.PutUint64(head[40:], uint64(s.Database))
	sum.Write(head[24:])
	if _, err := out.Write(head); err != nil {
		return err
	}
	z, err := zstd.NewWriter(io.MultiWriter(out, sum))
	if err != nil {
		return err
	}
	if _, err := io.Copy(z, withctx.Reader(ctx, in)); err != nil {
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

// Unpack writes the database of the snapshot to a new file at path and verifies the checksum. r
// reads what follows the header.
func (s *Snapshot) Unpack(ctx context.Context, r io.Reader, path string) error {
	sum := xxhash.New()
	sum.Write(s.head[24:])
	z, err := zstd.NewReader(io.TeeReader(r, sum), zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxWindow(64<<20), zstd.WithDecoderLowmem(true))
	if err != nil {
		return err
	}
	defer z.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, withctx.Reader(ctx, io.LimitReader(z, s.Database+1)))
	if err == nil && n != s.Database {
		err = fmt.Errorf("%d bytes instead of %d", n, s.Database)
	}
	if cerr := out.Close(); cerr != nil {
		return cerr
	}
	if err == nil && sum.Sum64() != binary.LittleEndian.Uint64(s.head[16:]) {
		err = errors.New("checksum mismatch")
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: %w", ErrNoSnapshot, err)
	}
	return err
}
