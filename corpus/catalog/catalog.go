package catalog

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"

	"thothfs/internal/tempdir"
)

// Catalog is an open catalogue. Everything goes through read and write, which rebuild the
// file when it turns out to be damaged.
type Catalog struct {
	identity string
	writer   int64 // names this process in the journal
	log      *slog.Logger
	count    func() // see CountSelects

	mu       sync.Mutex // guards what follows; held while a database is opened
	path     string
	scratch  *tempdir.Dir // where a temporary file is; nil: the file is in its place
	db       *database
	rebuilds int
}

// Path returns where the catalogue of a corpus is in dir. identity names the corpus.
func Path(dir, identity string) string {
	sum := sha256.Sum256([]byte(identity))
	return filepath.Join(dir, fmt.Sprintf("%x.db", sum[:8]))
}

// scratchPrefix begins the names of directories of temporary catalogues.
const scratchPrefix = "thothfs-catalogue-"

// Open opens the catalogue of a corpus in dir, which it makes (0700) if absent. If that
// directory cannot be used, the catalogue is a temporary one. The caller closes it.
func Open(ctx context.Context, dir, identity string, log *slog.Logger) (*Catalog, error) {
	c := &Catalog{path: Path(dir, identity), identity: identity, writer: rand.Int64(), log: log, count: func() {}}
	db, err := openDatabase(ctx, c.path, identity, log)
	if err == nil || ctx.Err() != nil {
		c.db = db
		return c, err
	}
	return c, c.openScratchLocked(ctx, err) // nobody else knows c
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

// Path returns the path of the file.
func (c *Catalog) Path() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.path
}

// Temporary reports whether the catalogue is gone once it is closed.
func (c *Catalog) Temporary() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.scratch != nil
}

// Rebuilds returns how often another file took the place of the one that was opened.
func (c *Catalog) Rebuilds() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rebuilds
}

// Exec runs SQL statements on the connection that writes. It is for tests.
func (c *Catalog) Exec(ctx context.Context, statements string) error {
	_, err := c.current().writer.ExecContext(ctx, statements)
	return err
}

// CountSelects sets a function that is called before every query for a dump by its hash. It is
// for tests, which must call it while nothing else uses c.
func (c *Catalog) CountSelects(f func()) { c.count = f }

// ErrRebuilt means that the catalogue was rebuilt, and is empty, instead of what was asked.
var ErrRebuilt = errors.New("the catalogue was rebuilt")

// read runs f on connections for reading. f may run twice.
func (c *Catalog) read(ctx context.Context, f func(q querier) error) error {
	return c.retry(ctx, func(db *database) error { return f(db.prepared) })
}

// readOnce is read for an f that must not run twice. After ErrRebuilt the caller begins
// again.
func (c *Catalog) readOnce(ctx context.Context, f func(q querier) error) error {
	return c.try(ctx, func(db *database) error { return f(db.prepared) })
}

// write runs f in a transaction. f may run twice. The end of ctx does not interrupt it:
// what was learned is kept.
func (c *Catalog) write(ctx context.Context, f func(b *batch) error) error {
	ctx = context.WithoutCancel(ctx)
	return c.retry(ctx, func(db *database) error {
		tx, err := db.writer.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() // does nothing once committed
		if err := f(&batch{ctx: ctx, tx: tx, stmts: map[string]*sql.Stmt{}, writer: c.writer, count: c.count}); err != nil {
			return err
		}
		return tx.Commit()
	})
}

func (c *Catalog) retry(ctx context.Context, f func(*database) error) error {
	err := c.try(ctx, f)
	if errors.Is(err, ErrRebuilt) {
		err = c.try(ctx, f)
	}
	return err
}

// try runs f. If it fails because of the file, another file takes its place.
func (c *Catalog) try(ctx context.Context, f func(*database) error) error {
	db := c.current()
	err := f(db)
	if ctx.Err() != nil || !full(err) && !broken(err) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.db != db {
		return ErrRebuilt // by somebody else
	}
	if broken(err) {
		return errors.Join(ErrRebuilt, c.rebuildLocked(ctx, err))
	}
	if c.scratch != nil {
		return err
	}
	if err := c.openScratchLocked(ctx, err); err != nil {
		return err
	}
	return ErrRebuilt
}

func (c *Catalog) rebuildLocked(ctx context.Context, cause error) error {
	c.log.Error("the catalogue is damaged, rebuilding it", "path", c.path, "error", cause)
	if c.db.isAt(c.path) {
		discard(c.path)
	}
	return c.reopenLocked(ctx)
}

// reopenLocked opens the file that is at the path now, or a new one.
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

// openScratchLocked opens a temporary catalogue, because the file in its place cannot be
// used.
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

// Follow opens the file that another process put in the place of this one, if one did.
func (c *Catalog) Follow(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := os.Stat(c.path); err != nil || c.db.isAt(c.path) {
		return nil
	}
	return c.reopenLocked(ctx)
}
