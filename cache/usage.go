package cache

import (
	"context"
	"errors"
	"os"
	"time"

	"thothfs/cache/blockfile"
	"thothfs/store"
)

// Space is the disk space that the caches in a directory use.
type Space struct {
	Versions int   // of objects of which blocks are cached
	Used     int64 // bytes on disk
	Limit    int64 // bytes that may be used
}

// Usage returns the disk space used in a directory of caches. quota is Options.Quota. The directory need not
// exist, and nothing is created.
func Usage(ctx context.Context, dir string, quota int64) (Space, error) {
	s := Space{Limit: Limit(dir, quota)}
	e := blockfile.Evictor{Dir: dir}
	var err error
	if s.Versions, s.Used, err = e.Usage(ctx); errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return s, err
}

// Limit returns the number of bytes that may be used in a directory of caches. quota is Options.Quota.
func Limit(dir string, quota int64) int64 {
	limit, _ := limits(dir, quota)
	return limit
}

// Cleaned is the result of Clean.
type Cleaned = blockfile.Cleaned

// Clean removes versions from the caches in a directory, except those in use by a process: those selected by
// chosen, which gets the FileName and the time of last use.
func Clean(ctx context.Context, dir string, chosen func(name string, used time.Time) bool) (Cleaned, error) {
	e := blockfile.Evictor{Dir: dir}
	done, err := e.Clean(ctx, chosen)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return done, err
}

// FileName returns the name that Clean has for a version, in caches with the default size of blocks.
func FileName(ref store.Ref) string {
	v := blockfile.NewVersion(ref, 0, defaultBlock)
	return v.Name()
}
