package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"thothfs/fs/fusefs"
)

// checkOverlap refuses a private directory inside the mountpoint, or the
// reverse: the file system would read itself and hang.
func checkOverlap(mountpoint string, dirs map[string]string) error {
	m := realPath(mountpoint)
	for what, dir := range dirs {
		if dir == "" {
			continue
		}
		if d := realPath(dir); within(d, m) || within(m, d) {
			return fmt.Errorf("the %s (%s) and the mountpoint (%s) lie one within the other: choose another place for one of them", what, dir, mountpoint)
		}
	}
	return nil
}

// within says whether path is dir or below it; both are absolute and clean.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// realPath resolves symbolic links as far as path exists; what does not exist
// yet is kept as it is.
func realPath(path string) string {
	path = filepath.Clean(path)
	rest := ""
	for dir := path; ; {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(real, rest)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return path
		}
		rest = filepath.Join(filepath.Base(dir), rest)
		dir = parent
	}
}

// checkMountpoint says what is wrong with a mountpoint before anything is started. What
// a dead mount has left there is taken away.
func checkMountpoint(ctx context.Context, path string) error {
	_, err := orInterrupted(ctx, func() (struct{}, error) { return struct{}{}, fusefs.Mend(mountedPath(path)) })
	if errors.Is(err, fusefs.ErrSilent) {
		return fmt.Errorf("%w: what is mounted there hangs (thothfs umount %s takes it away)", err, path)
	}
	if err != nil {
		return err
	}
	fi, err := os.Stat(path)
	switch {
	case os.IsNotExist(err):
		return fmt.Errorf("%s does not exist: make it with mkdir", path)
	case err != nil:
		return err
	case !fi.IsDir():
		return fmt.Errorf("%s is not a directory", path)
	}
	return nil
}
