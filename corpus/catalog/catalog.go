package catalog

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"thothfs/internal/tempdir"
)

// Catalog is an open catalogue. Everything goes through read and write, which rebuild a damaged
// file.
type Catalog struct {
	identity string
	writer   int64 // identifies this process in the journal
	readOnly bool  // the file is left as it is, whatever is wrong with it
	log      *slog.Logger
	Lookups  atomic.Int64 // number of queries for a dump by its hash; for tests

	mu       sync.Mutex // guards the fields below; held while a database is opened
	path     string
	scratch  *tempdir.Dir // holds a temporary file; nil if the file is in its usual place
	db       *database
	rebuilds int
}

// Path returns the path of a corpus's catalogue under dir. identity names the corpus.
func Path(dir, identity string) string {
	sum := sha256.Sum256([]byte(identity))
	return filepath.Join(dir, fmt.Sprintf("%x.db", sum[:8]))
}

// scratchPrefix starts the names of the directories of temporary catalogues.
const scratchPrefix = "thothfs-catalogue-"

// Open opens the catalogue of a corpus in dir, which it creates with mode 0700 if necessary. If the
// directory cannot be used, Open uses a temporary catalogue. The caller must close the catalogue.
func Open(ctx context.Context, dir, identity string, log *slog.Logger) (*Catalog, error) {
	c := &Catalog{path: Path(dir, identity), identity: identity, writer: rand.Int64(), log: log}
	db, err := openDatabase(ctx, c.path, identity, log)
	if err == nil || ctx.Err() != nil {
		c.db = db
		return c, err
	}
	return c, c.openScratchLocked(ctx, err) // c is not shared yet
}

// Close closes the catalogue.
func (c *Catalog) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.db.close()
	if c.scratch != nil {
		err = errors.Join(err, c.scratch.Remove())
	}
	return err
}

func (c *Catalog) current() *database {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.db
}

// Path returns the path of the catalogue file.
func (c *Catalog) Path() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.path
}

// Rebuilds returns how many times the file that was opened has been replaced by another.
func (c *Catalog) Rebuilds() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rebuilds
}

// Exec runs SQL statements on the write connection. It is for tests.
func (c *Catalog) Exec(ctx context.Context, statements string) error {
	_, err := c.current().writer.ExecContext(ctx, statements)
	return err
}

// ErrRebuilt means that the operation was not done, and that the catalogue was rebuilt and is now
// empty.
var ErrRebuilt = errors.New("the catalogue was rebuilt")

// read runs f on read connections. f may run twice.
func (c *Catalog) read(ctx context.Context, f func(q querier) error) error {
	return c.retry(ctx, func(db *database) error { return f(db.prepared) })
}

// readOnce is like read, for an f that must not run twice. After ErrRebuilt the caller starts over.
func (c *Catalog) readOnce(ctx context.Context, f func(q querier) error) error {
	return c.try(ctx, func(db *database) error { return f(db.prepared) })
}

// write runs f in a transaction. f may run twice. Canceling ctx does not interrupt it, so that what
// was learned is kept.
func (c *Catalog) write(ctx context.Context, f func(b *batch) error) error {
	ctx = context.WithoutCancel(ctx)
	return c.retry(ctx, func(db *database) error {
		tx, err := db.writer.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() // no-op after Commit
		b := &batch{ctx: ctx, c: c, tx: newStmtCache(tx), known: &db.known}
		if err := f(b); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		db.known.add(b.names)
		return nil
	})
}

func (c *Catalog) retry(ctx context.Context, f func(*database) error) error {
	err := c.try(ctx, f)
	if errors.Is(err, ErrRebuilt) {
		err = c.try(ctx, f)
	}
	return err
}

// try runs f. If f fails because of the file, try replaces the file and returns ErrRebuilt.
func (c *Catalog) try(ctx context.Context, f func(*database) error) error {
	db := c.current()
	err := f(db)
	if ctx.Err() != nil || c.readOnly || !full(err) && !broken(err) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.db != db {
		return ErrRebuilt // by another goroutine
	}
	if broken(err) {
		c.log.Error("the catalogue is damaged, rebuilding it", "path", c.path, "error", err)
		if c.db.isAt(c.path) {
			discard(c.path)
		}
		return errors.Join(ErrRebuilt, c.reopenLocked(ctx))
	}
	if c.scratch != nil {
		return err
	}
	if err := c.openScratchLocked(ctx, err); err != nil {
		return err
	}
	return ErrRebuilt
}

// reopenLocked opens the file that is now at the path, or creates one.
func (c *Catalog) reopenLocked(ctx context.Context) error {
	db, err := openDatabase(ctx, c.path, c.identity, c.log)
	if err != nil {
		return err
	}
	c.replaceLocked(db)
	return nil
}

func (c *Catalog) replaceLocked(db *database) {
	if c.db != nil {
		c.rebuilds++
		c.db.close()
	}
	c.db = db
}

// openScratchLocked opens a temporary catalogue because the file in its usual place cannot be used.
func (c *Catalog) openScratchLocked(ctx context.Context, cause error) error {
	c.log.Warn("the catalogue cannot be kept, going on with a temporary one", "path", c.path, "error", cause)
	tempdir.Sweep(os.TempDir(), scratchPrefix, nil)
	scratch, err := tempdir.Make(os.TempDir(), scratchPrefix)
	if err != nil {
		return errors.Join(cause, err)
	}
	path := filepath.Join(scratch.Path, "catalogue.db")
	db, err := openDatabase(ctx, path, c.identity, c.log)
	if err != nil {
		return errors.Join(cause, err, scratch.Remove())
	}
	c.scratch, c.path = scratch, path
	c.replaceLocked(db)
	return nil
}

// Follow opens the file at the catalogue's path if another process has replaced it.
func (c *Catalog) Follow(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := os.Stat(c.path); err != nil || c.db.isAt(c.path) {
		return nil
	}
	return c.reopenLocked(ctx)
}
