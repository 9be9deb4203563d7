package corpus

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"thothfs/internal/withctx"
)

// changedSuffix is the suffix of a file beside the catalogue. Each process touches the file after
// changing the catalogue, and watches it for changes by others.
const changedSuffix = ".changed"

const (
	// followInterval is the interval at which the journal is read if the file cannot be watched.
	followInterval = 2 * time.Second
	// followPause is how long changes are collected before the journal is read again.
	followPause = 50 * time.Millisecond
)

// touchChanged notifies the other processes that share the catalogue.
func (c *base) touchChanged() {
	path := c.cat.Path() + changedSuffix
	now := []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}
	err := unix.UtimesNanoAt(unix.AT_FDCWD, path, now, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, fs.ErrNotExist) {
		err = createChangedFile(path)
	}
	if err != nil {
		c.log.Debug("cannot notify other processes of a change", "path", path, "error", err)
	}
}

func createChangedFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// watchChanged watches the file beside the catalogue at path. The caller must close the watcher.
func watchChanged(path string) (*fsnotify.Watcher, error) {
	path += changedSuffix
	if err := createChangedFile(path); err != nil {
		return nil, err
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	if err := w.Add(path); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// follow passes changes made by other processes to subscribers until ctx is done.
func (c *Corpus) follow(ctx context.Context) {
	f := &follower{c: c}
	for f.wait(ctx) {
		everything, err := c.readJournal(ctx)
		if err != nil && ctx.Err() == nil {
			c.log.Debug("cannot read the catalogue", "error", err)
		}
		pause := followPause
		if everything {
			pause = followInterval // subscribers are busy
		}
		_ = withctx.Sleep(ctx, pause) // wait returns false if ctx is done
	}
	f.unwatch()
}

// follower waits for changes of the watched file, or for a fixed time if it cannot be watched.
type follower struct {
	c       *Corpus
	watcher *fsnotify.Watcher // nil if the file is not watched
}

// wait returns true if there may be changes, and false if ctx is done.
func (f *follower) wait(ctx context.Context) bool {
	w := f.watcher
	if w == nil {
		var err error
		if w, err = f.c.watchChanged(f.c.cat.Path()); err == nil {
			f.watcher = w
			return true // there may be earlier changes
		}
		f.c.log.Debug("cannot watch for changes by other processes", "error", err)
		return withctx.Sleep(ctx, followInterval) == nil
	}
	select {
	case e, ok := <-w.Events:
		if !ok || e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
			f.unwatch() // it is being replaced
		}
	case <-w.Errors: // events may have been lost
	case <-ctx.Done():
		return false
	}
	return true
}

func (f *follower) unwatch() {
	if f.watcher != nil {
		f.watcher.Close()
		f.watcher = nil
	}
}
