package corpus

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// bellSuffix is that of the file beside the catalogue which processes touch after they
// have noted a change in it, and watch to learn of those by others.
const bellSuffix = ".changed"

const (
	// tailEvery is how soon changes by other processes are seen where the bell cannot be
	// watched.
	tailEvery = 2 * time.Second
	// tailPause is how long changes that follow each other are collected.
	tailPause = 50 * time.Millisecond
)

// ring tells the other processes that share the catalogue of a change.
func (c *base) ring() {
	path := c.cat.Path() + bellSuffix
	now := []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}
	err := unix.UtimesNanoAt(unix.AT_FDCWD, path, now, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, fs.ErrNotExist) {
		err = makeBell(path)
	}
	if err != nil {
		c.log.Debug("other processes cannot be told of a change", "path", path, "error", err)
	}
}

func makeBell(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// listen watches the bell of the catalogue at path. The caller closes the watcher.
func listen(path string) (*fsnotify.Watcher, error) {
	path += bellSuffix
	if err := makeBell(path); err != nil {
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

// follow tells subscribers what other processes change in the catalogue, until ctx ends.
func (c *Corpus) follow(ctx context.Context) {
	f := &follower{c: c}
	for f.await(ctx) {
		everything, err := c.readJournal(ctx)
		if err != nil && ctx.Err() == nil {
			c.log.Debug("the catalogue cannot be read", "error", err)
		}
		pause := tailPause
		if everything {
			pause = tailEvery // subscribers have enough to do
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	f.silence()
}

// follower waits for the bell, or where it cannot be watched for some time to pass.
type follower struct {
	c       *Corpus
	watcher *fsnotify.Watcher // nil: the bell is not watched
}

// await returns when there may be changes, or false when ctx has ended.
func (f *follower) await(ctx context.Context) bool {
	w := f.watcher
	if w == nil {
		var err error
		if w, err = f.c.listen(f.c.cat.Path()); err == nil {
			f.watcher = w
			return true // something may have changed before
		}
		f.c.log.Debug("changes by other processes cannot be watched", "error", err)
		select {
		case <-time.After(tailEvery):
			return true
		case <-ctx.Done():
			return false
		}
	}
	select {
	case e, ok := <-w.Events:
		if !ok || e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
			f.silence() // another file is the bell from now on
		}
	case <-w.Errors: // events may be lost
	case <-ctx.Done():
		return false
	}
	return true
}

func (f *follower) silence() {
	if f.watcher != nil {
		f.watcher.Close()
		f.watcher = nil
	}
}
