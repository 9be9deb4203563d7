package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"

	"thothfs/cache"
	"thothfs/fs/fusefs"
)

// leavePrivate is how long a private mount waits for those that still use it.
const leavePrivate = 5 * time.Second

// existingMount is where this user has the corpus of the stack mounted already, with
// the same cache, by a process that answers; "" when nowhere.
func (c *openedCorpus) existingMount() string {
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return m.FSType != "fuse.thothfs" || m.Root != "/" || !isOurs(m), false
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

// isOurs tells whether this user has made the mount: another's may not be entered.
func isOurs(m *mountinfo.Info) bool {
	return slices.Contains(strings.Split(m.VFSOptions, ","), "user_id="+strconv.Itoa(os.Geteuid()))
}

// fits compares a mount's .thothfs/config with what its lines would be here.
func (c *openedCorpus) fits(config []byte) bool {
	want := map[string]string{"private": "false"}
	for line := range strings.Lines(string(c.config(mountFlags{}))) {
		switch name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "="); name {
		case "store", "manta-url", "manta-user", "cache-dir":
			want[name] = value
		}
	}
	for line := range strings.Lines(string(config)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if expected, ok := want[name]; ok && value == expected {
			delete(want, name)
		}
	}
	return len(want) == 0
}

// mountPrivately mounts the corpus for this process alone, at a directory that
// exists. leave takes it away.
func (c *openedCorpus) mountPrivately(dir string, blocks *cache.Cache, m mountFlags) (leave func() error, err error) {
	if err := checkOverlap(dir, map[string]string{"cache directory": c.cache, "corpus": c.target.dir}); err != nil {
		return nil, fmt.Errorf("%w (TMPDIR says where temporary files go)", err)
	}
	c.cli.privateMount = true
	server, err := fusefs.Mount(dir, c.mountOptions(blocks, m, nil))
	if err != nil {
		return nil, fmt.Errorf("the corpus cannot be mounted for the run: %w", err)
	}
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), leavePrivate)
		defer cancel()
		err := server.Unmount(ctx)
		if busy := (*fusefs.BusyError)(nil); errors.As(err, &busy) {
			return nil // it is gone all the same, and who used it was not ours
		}
		return err
	}, nil
}
