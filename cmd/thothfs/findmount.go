package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"

	"thothfs/cache"
	"thothfs/corpus"
	"thothfs/fs"
)

// leavePrivate is how long a private mount waits for those that still use it.
const leavePrivate = 5 * time.Second

// existingMount is where this user has the corpus of the stack mounted already, with
// the same cache, by a process that answers; "" when nowhere.
func (cl *cli) existingMount(s *stack) string {
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return m.FSType != "fuse.thothfs" || m.Root != "/" || !isOurs(m), false
	})
	if err != nil {
		return ""
	}
	for _, m := range slices.Backward(mounts) {
		config, err := fs.ReadControl(m.Mountpoint, "config", answerTimeout)
		if err == nil && fits(cl, config, s) {
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
func fits(cl *cli, config []byte, s *stack) bool {
	want := map[string]string{"private": "false"}
	for line := range strings.Lines(string(cl.config(s, mountFlags{}))) {
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
func (cl *cli) mountPrivately(dir string, s *stack, c *corpus.Corpus, blocks *cache.Cache, m mountFlags, log *slog.Logger) (leave func() error, err error) {
	if err := checkOverlap(dir, map[string]string{"cache directory": s.cache, "corpus": s.target.dir}); err != nil {
		return nil, fmt.Errorf("%w (TMPDIR says where temporary files go)", err)
	}
	cl.privateMount = true
	server, err := fs.Mount(dir, cl.fsOptions(s, c, blocks, m, nil, log))
	if err != nil {
		return nil, fmt.Errorf("the corpus cannot be mounted for the run: %w", err)
	}
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), leavePrivate)
		defer cancel()
		err := server.Unmount(ctx)
		if busy := (*fs.BusyError)(nil); errors.As(err, &busy) {
			return nil // it is gone all the same, and who used it was not ours
		}
		return err
	}, nil
}
