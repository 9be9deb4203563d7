package catalog

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"thothfs/internal/filelock"
)

// readers is the maximum number of concurrent queries.
const readers = 4

// database is one open catalogue file. All connections are made when it is opened, since one made
// later might open a different file at the same path.
type database struct {
	writer, readers *sql.DB
	prepared        *stmtCache // prepared on readers
	file            os.FileInfo
	known           knownNames
}

// querier runs queries. A pool, a connection and a transaction are queriers.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// errForeign means that a file is not a catalogue of this corpus and schema version.
var errForeign = errors.New("not a catalogue of this corpus in this version")

// openDatabase opens the catalogue at path. It creates one if there is none or the existing one
// cannot be used. Only one process does that at a time.
func openDatabase(ctx context.Context, path, identity string, log *slog.Logger) (*database, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	unlock, err := lockFile(ctx, path+".lock")
	if err != nil {
		return nil, err
	}
	defer unlock()
	db, err := openExisting(ctx, path, identity)
	if err == nil || ctx.Err() != nil || !errors.Is(err, fs.ErrNotExist) && !broken(err) {
		return db, err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		log.Warn("the catalogue cannot be used, making a new one", "path", path, "error", err)
	}
	discard(path)
	return create(ctx, path, identity)
}

// lockFile locks the file at path, which it creates if necessary. On a file system without locks
// two processes may rebuild a catalogue at the same time; one of them does so in vain.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%s is a symbolic link, which is not followed: remove it", path)
	}
	if err != nil {
		return nil, err
	}
	if filelock.Lock(ctx, f, filelock.Exclusive) != nil && ctx.Err() != nil {
		f.Close()
		return nil, ctx.Err()
	}
	return func() { f.Close() }, nil
}

// suffixes are the suffixes of the files that make up a catalogue.
var suffixes = []string{"", "-wal", "-shm", "-journal"}

// discard removes all files of a catalogue. SQLite would apply a leftover log to the next file.
func discard(path string) {
	for _, suffix := range suffixes {
		os.Remove(path + suffix)
	}
}

// checkOwn returns errForeign if a file of the catalogue is a link, through which SQLite would
// write, or belongs to another user. Others may have been able to write to the directory.
func checkOwn(path string) error {
	for _, suffix := range suffixes {
		st, err := os.Lstat(path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if sys, ok := st.Sys().(*syscall.Stat_t); !st.Mode().IsRegular() || ok && int(sys.Uid) != os.Geteuid() {
			return fmt.Errorf("%w: %s is a link, or of another user", errForeign, path+suffix)
		}
	}
	return nil
}

func openExisting(ctx context.Context, path, identity string) (*database, error) {
	if err := checkOwn(path); err != nil {
		return nil, err
	}
	if err := checkHeader(path); err != nil {
		return nil, err
	}
	db, err := connect(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := db.check(ctx, identity); err != nil {
		db.close()
		return nil, err
	}
	return db, nil
}

// checkHeader returns errForeign if a file is not a catalogue, has a different schema version, or
// is truncated. SQLite itself would try to repair such a file. The offsets are given in
// https://www.sqlite.org/fileformat.html section 1.3.
func checkHeader(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var h [100]byte
	if _, err := f.ReadAt(h[:], 0); err != nil {
		return fmt.Errorf("%w: %w", errForeign, err)
	}
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	pageSize := int64(binary.BigEndian.Uint16(h[16:]))
	if pageSize == 1 {
		pageSize = 65536
	}
	// Pages may still be in the log.
	short := fi.Size() < pageSize*int64(binary.BigEndian.Uint32(h[28:]))
	if wal, err := os.Stat(path + "-wal"); err == nil && wal.Size() > 0 {
		short = false
	}
	switch {
	case short,
		string(h[:16]) != "SQLite format 3\x00",
		binary.BigEndian.Uint32(h[68:]) != applicationID,
		binary.BigEndian.Uint32(h[60:]) != schemaVersion:
		return errForeign
	}
	return nil
}

// smallFile is the size up to which a catalogue is checked completely when it is opened. In a
// larger one, damage is detected when it is read.
const smallFile = 8 << 20

// checkIdentity returns errForeign if the file is the catalogue of another corpus.
func (d *database) checkIdentity(ctx context.Context, identity string) error {
	var have string
	err := d.readers.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = 'identity'`).Scan(&have)
	if errors.Is(err, sql.ErrNoRows) || err == nil && have != identity {
		return errForeign
	}
	return err
}

func (d *database) check(ctx context.Context, identity string) error {
	if err := d.checkIdentity(ctx, identity); err != nil {
		return err
	}
	if d.file.Size() > smallFile {
		return nil
	}
	var verdict string
	if err := d.readers.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", errForeign, verdict)
	}
	return nil
}

func create(ctx context.Context, path, identity string) (*database, error) {
	// SQLite would create a file that everybody can read.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	f.Close()
	db, err := connect(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := db.fill(ctx, identity); err != nil {
		db.close()
		discard(path)
		return nil, err
	}
	return db, nil
}

// fill creates the tables and writes the header from the log to the file, for checkHeader.
func (d *database) fill(ctx context.Context, identity string) error {
	tx, err := d.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no-op after Commit
	setup := schema + fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, schemaVersion)
	if _, err := tx.ExecContext(ctx, setup); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO meta (key, value) VALUES ('identity', ?)`, identity); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	_, err = d.writer.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
	return err
}

func connect(ctx context.Context, path string) (*database, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	d := &database{file: fi}
	const common = "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=journal_size_limit(67108864)"
	d.writer, err = pool(ctx, path, common+"&_txlock=immediate&_pragma=cache_size(-16000)", 1)
	if err != nil {
		return nil, err
	}
	d.readers, err = pool(ctx, path, common+"&_pragma=query_only(1)&_pragma=cache_size(-4000)", readers)
	if err != nil {
		d.writer.Close()
		return nil, err
	}
	d.prepared = newStmtCache(d.readers)
	return d, nil
}

// pool opens n connections to path.
func pool(ctx context.Context, path, params string, n int) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	connector, err := sqlite.NewConnector((&url.URL{Scheme: "file", Path: abs, RawQuery: params}).String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	for range n {
		conn, err := db.Conn(ctx)
		if err != nil {
			db.Close()
			return nil, err
		}
		defer conn.Close() // back to the pool, once all are open
	}
	return db, nil
}

func (d *database) close() error {
	if d.writer == nil { // of a read-only catalogue
		return d.readers.Close()
	}
	return errors.Join(d.readers.Close(), d.writer.Close())
}

// isAt reports whether the open file is the one at path.
func (d *database) isAt(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && os.SameFile(fi, d.file)
}

// sqliteCode returns SQLite's primary result code for err, which is SQLITE_OK if err is not
// SQLite's.
func sqliteCode(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return sqlite3.SQLITE_OK
	}
	return e.Code() & 0xff
}

// full reports whether err means that the file cannot be written where it is.
func full(err error) bool {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return true
	}
	return false
}

// broken reports whether err means that the file can no longer be used.
func broken(err error) bool {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_SCHEMA:
		return true
	case sqlite3.SQLITE_ERROR:
		// A file without one of our tables is not the one that we created.
		text := err.Error()
		return strings.Contains(text, "no such table") || strings.Contains(text, "no such column") || strings.Contains(text, "no such index")
	}
	return errors.Is(err, errForeign)
}

// stmtCache runs statements prepared and caches them, since most of the cost of a short one is
// preparing it. The pool or the transaction closes them.
type stmtCache struct {
	db preparer
	mu sync.Mutex // guards m
	m  map[string]*sql.Stmt
}

// preparer is a pool or a transaction.
type preparer interface {
	querier
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func newStmtCache(db preparer) *stmtCache { return &stmtCache{db: db, m: map[string]*sql.Stmt{}} }

// maxStatements is the maximum number of cached statements. Specifications can have any number of
// conditions, so there is no limit to the number of different queries.
const maxStatements = 64

var _ querier = (*stmtCache)(nil)

// get returns the statement for a query, or nil if it should run unprepared.
func (s *stmtCache) get(ctx context.Context, query string) *sql.Stmt {
	s.mu.Lock()
	stmt, full := s.m[query], len(s.m) >= maxStatements
	s.mu.Unlock()
	if stmt != nil || full {
		return stmt
	}
	stmt, err := s.db.PrepareContext(ctx, query)
	if err != nil {
		return nil // running the query fails in the same way
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if have := s.m[query]; have != nil {
		stmt.Close()
		return have
	}
	s.m[query] = stmt
	return stmt
}

func (s *stmtCache) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if stmt := s.get(ctx, query); stmt != nil {
		return stmt.QueryContext(ctx, args...)
	}
	return s.db.QueryContext(ctx, query, args...)
}

func (s *stmtCache) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if stmt := s.get(ctx, query); stmt != nil {
		return stmt.QueryRowContext(ctx, args...)
	}
	return s.db.QueryRowContext(ctx, query, args...)
}

func (s *stmtCache) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if stmt := s.get(ctx, query); stmt != nil {
		return stmt.ExecContext(ctx, args...)
	}
	return s.db.ExecContext(ctx, query, args...)
}
