package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"

	"thothfs/cache"
	"thothfs/fs/fusefs"
)

// existingMount returns the mountpoint where this user has mounted the corpus with the same cache,
// if the mount responds, or "".
func (c *openedCorpus) existingMount() string {
	ours := "user_id=" + strconv.Itoa(os.Geteuid()) // mounts of other users may not be accessible
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return m.FSType != "fuse.thothfs" || m.Root != "/" || !slices.Contains(strings.Split(m.VFSOptions, ","), ours), false
	})
	if err != nil {
		return ""
	}
	for _, m := range slices.Backward(mounts) {
		config, err := fusefs.ReadControl(m.Mountpoint, "config", answerTimeout)
		if err == nil && c.fits(config) {
			return m.Mountpoint
		}
	}
	return ""
}

// fits reports whether a mount's .thothfs/config matches the settings of this corpus.
func (c *openedCorpus) fits(config []byte) bool {
	want := []string{"private=false"}
	for line := range strings.SplitSeq(string(c.config(mountFlags{})), "\n") {
		switch name, _, _ := strings.Cut(line, "="); name {
		case "store", "manta-url", "manta-user", "cache-dir":
			want = append(want, line)
		}
	}
	lines := strings.Split(string(config), "\n")
	return !slices.ContainsFunc(want, func(line string) bool { return !slices.Contains(lines, line) })
}

// mountPrivately mounts the corpus at an existing directory, for this process only. The returned
// function unmounts it.
func (c *openedCorpus) mountPrivately(dir string, blocks *cache.Cache, m mountFlags) (unmount func() error, err error) {
	if err := checkOverlap(dir, map[string]string{"cache directory": c.cache, "corpus": c.location.Dir}); err != nil {
		return nil, fmt.Errorf("%w (TMPDIR says where temporary files go)", err)
	}
	c.cli.privateMount = true
	server, err := fusefs.Mount(dir, c.mountOptions(blocks, m, nil))
	if err != nil {
		return nil, fmt.Errorf("the corpus cannot be mounted for the run: %w", err)
	}
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := server.Unmount(ctx)
		if busy := (*fusefs.BusyError)(nil); errors.As(err, &busy) {
			return nil // it is detached, and its remaining users are not part of this program
		}
		return err
	}, nil
}

// checkOverlap returns an error if the mountpoint is inside one of dirs or contains it, since the
// file system would then read itself and hang.
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

// within reports whether path is dir or is below it. Both must be absolute and clean.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// realPath resolves symbolic links in the existing part of path.
func realPath(path string) string {
	path = filepath.Clean(path)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(realPath(parent), filepath.Base(path))
}

// checkMountpoint returns an error if nothing can be mounted at path. It removes dead mounts.
func checkMountpoint(ctx context.Context, path string) error {
	_, err := orInterrupted(ctx, func() (struct{}, error) { return struct{}{}, fusefs.Mend(mountedPath(path)) })
	if errors.Is(err, fusefs.ErrSilent) {
		return fmt.Errorf("%w: what is mounted there hangs (thothfs umount %s removes it)", err, path)
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

// isNotEmpty reports whether a directory that is not a mountpoint has files.
func isNotEmpty(dir string) bool {
	if mounted, err := mountinfo.Mounted(dir); err != nil || mounted {
		return false
	}
	d, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer d.Close()
	names, _ := d.Readdirnames(1)
	return len(names) > 0
}

// mountedPath resolves symbolic links in path without accessing the file system mounted there.
func mountedPath(path string) string {
	direct := filepath.Join(realPath(filepath.Dir(path)), filepath.Base(path))
	if mounts, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(direct)); err == nil && len(mounts) > 0 {
		return direct
	}
	return realPath(path)
}
