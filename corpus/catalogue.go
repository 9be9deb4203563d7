package corpus

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
)

// catalogue is the local copy of what a corpus holds. Everything goes through read
// and write, which rebuild it when it turns out to be damaged.
type catalogue struct {
	path     string
	identity string // of the corpus
	writer   int64  // of this process, in the journal
	log      *slog.Logger
	scratch  string // directory to remove at the end, "" none

	mu     sync.Mutex // guards what follows, path and scratch; held while a database is opened
	db     *database
	resets int // how often db was replaced
}

func (o Options) identity() string { return o.Name + "\x00" + o.Root }

// path is where the catalogue of the corpus is.
func (o Options) path() string {
	sum := sha256.Sum256([]byte(o.identity()))
	return filepath.Join(o.Dir, fmt.Sprintf("%x.db", sum[:8]))
}

// Exists reports whether there is a catalogue of the corpus on this machine.
func Exists(o Options) bool {
	_, err := os.Stat(o.path())
	return err == nil
}

// openCatalogue opens the catalogue of a corpus. When its directory cannot be used
// it is a temporary one: a corpus is never unusable for want of a cache.
func openCatalogue(ctx context.Context, o Options) (*catalogue, error) {
	cat := &catalogue{
		path:     o.path(),
		identity: o.identity(),
		writer:   rand.Int64(),
		log:      o.Log,
	}
	err := cat.open(ctx)
	if err == nil || ctx.Err() != nil {
		return cat, err
	}
	o.Log.Warn("the catalogue cannot be kept, going on with a temporary one", "path", cat.path, "error", err)
	if terr := cat.openScratch(ctx); terr != nil {
		return nil, errors.Join(err, terr)
	}
	return cat, nil
}

func (c *catalogue) open(ctx context.Context) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.db, err = openDatabase(ctx, c.path, c.identity, c.log)
	return err
}

func (c *catalogue) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.db.close()
	if c.scratch != "" {
		err = errors.Join(err, os.RemoveAll(c.scratch))
	}
	return err
}

func (c *catalogue) current() *database {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.db
}

// filePath is the path of the file.
func (c *catalogue) filePath() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.path
}

func (c *catalogue) resetCount() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resets
}

// read runs f on connections for reading; f may be run a second time.
func (c *catalogue) read(ctx context.Context, f func(q querier) error) error {
	return c.try(ctx, func(db *database) error { return f(db.prepared) })
}

// readOnce is read for an f that must not be run again by itself: errRebuilt says
// that the caller is to begin again.
func (c *catalogue) readOnce(ctx context.Context, f func(q querier) error) error {
	return c.tryOnce(ctx, func(db *database) error { return f(db.prepared) })
}

// write runs f in a transaction; f may be run a second time. It is not cut short by
// the end of ctx: what was learned is kept.
func (c *catalogue) write(ctx context.Context, f func(tx *sql.Tx) error) error {
	ctx = context.WithoutCancel(ctx)
	return c.try(ctx, func(db *database) error {
		tx, err := db.writer.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() // does nothing once committed
		if err := f(tx); err != nil {
			return err
		}
		return tx.Commit()
	})
}

func (c *catalogue) try(ctx context.Context, f func(*database) error) error {
	err := c.tryOnce(ctx, f)
	if errors.Is(err, errRebuilt) {
		err = c.tryOnce(ctx, f)
	}
	return err
}

func (c *catalogue) tryOnce(ctx context.Context, f func(*database) error) error {
	db := c.current()
	err := f(db)
	if noRoom(err) && ctx.Err() == nil {
		return c.switchToScratch(ctx, db, err)
	}
	if !broken(err) || ctx.Err() != nil {
		return err
	}
	return errors.Join(errRebuilt, c.replace(ctx, db, err))
}

// errRebuilt says that the catalogue was rebuilt instead of what was asked for.
var errRebuilt = errors.New("the catalogue was rebuilt")

// retryRebuilt runs f, and once more if the catalogue was rebuilt under it: as soon as the new
// one knows the corpus.
func (c *Corpus) retryRebuilt(ctx context.Context, f func() error) error {
	err := f()
	if !errors.Is(err, errRebuilt) {
		return err
	}
	if err := c.Whole(ctx); err != nil {
		return err
	}
	return f()
}

// replace opens the catalogue anew after old failed because of why, unless somebody
// did so already.
func (c *catalogue) replace(ctx context.Context, old *database, why error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.db != old {
		return nil
	}
	c.log.Error("the catalogue is damaged, rebuilding it", "path", c.path, "error", why)
	if old.isAt(c.path) {
		discard(c.path)
	}
	db, err := openDatabase(ctx, c.path, c.identity, c.log)
	if err != nil {
		return err
	}
	c.db = db
	c.resets++
	old.close()
	return nil
}

// switchToScratch goes on with a temporary catalogue after db, on a disk that is full or failing,
// could not be written because of why. From a temporary one there is no way on.
func (c *catalogue) switchToScratch(ctx context.Context, db *database, why error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.db != db {
		return errRebuilt
	}
	if c.scratch != "" {
		return why
	}
	c.log.Warn("the catalogue cannot be kept, going on with a temporary one", "path", c.path, "error", why)
	if err := c.openScratch(ctx); err != nil {
		return errors.Join(why, err)
	}
	c.resets++
	db.close()
	return errRebuilt
}

// openScratch opens a temporary catalogue in the place of the one there is, if any.
func (c *catalogue) openScratch(ctx context.Context) error {
	scratch, err := os.MkdirTemp("", "thothfs-catalogue-")
	if err != nil {
		return err
	}
	path := filepath.Join(scratch, "catalogue.db")
	db, err := openDatabase(ctx, path, c.identity, c.log)
	if err != nil {
		os.RemoveAll(scratch)
		return err
	}
	c.scratch, c.path, c.db = scratch, path, db
	return nil
}

// reopenReplaced turns to the file that another process put in the place of ours, if one did.
func (c *catalogue) reopenReplaced(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := os.Stat(c.path); err != nil || c.db.isAt(c.path) {
		return nil
	}
	db, err := openDatabase(ctx, c.path, c.identity, c.log)
	if err != nil {
		return err
	}
	old := c.db
	c.db = db
	c.resets++
	old.close()
	return nil
}
