package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// machine simulates a machine running thothfs, with a separate cache and mountpoint.
type machine struct {
	thothfs string // thothfs program
	host    string // host of the store, in the URL used by this machine
	mnt     string
	cache   string
}

// newMachine returns a machine with an empty cache.
func (s *scale) newMachine(name string) (*machine, error) {
	url, err := s.site.address()
	if err != nil {
		return nil, err
	}
	m := &machine{thothfs: s.thothfs, host: strings.TrimPrefix(url, "http://"), mnt: filepath.Join(s.work, name, "mnt"), cache: filepath.Join(s.work, name, "cache")}
	s.machines = append(s.machines, m)
	return m, os.MkdirAll(m.mnt, 0o700)
}

// env returns the environment for thothfs and scripts.
func (m *machine) env() []string {
	return append(os.Environ(), "LC_ALL=C", "THOTHFS="+m.thothfs, "THOTHFS_STORE=manta:", "MANTA_URL=http://"+m.host, "MANTA_USER="+account,
		"MANTA_NO_AUTH=true", "THOTHFS_CACHE_DIR="+m.cache)
}

// run runs a program and returns its output.
func (m *machine) run(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = m.env()
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, errs.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// verb runs a verb of thothfs.
func (m *machine) verb(ctx context.Context, args ...string) error {
	_, err := m.run(ctx, m.thothfs, args...)
	return err
}

// bash runs a script with root as $1 and word as $2.
func (m *machine) bash(ctx context.Context, script, root, word string) (string, error) {
	return m.run(ctx, "bash", "-o", "pipefail", "-c", script, "bash", root, word)
}

func (m *machine) mount(ctx context.Context, flags ...string) error {
	return m.verb(ctx, append([]string{"mount", m.mnt}, flags...)...)
}

// unmount unmounts the file system, if it is mounted.
func (m *machine) unmount(ctx context.Context) error {
	if !isMounted(m.mnt) {
		return nil
	}
	return m.verb(ctx, "umount", m.mnt)
}

// unmountAll unmounts all machines, even if ctx is done.
func (s *scale) unmountAll(ctx context.Context) (err error) {
	for _, m := range s.machines {
		err = errors.Join(err, m.unmount(context.WithoutCancel(ctx)))
	}
	return err
}

// counter returns a counter from .thothfs/stats.
func (m *machine) counter(name string) (int, error) {
	text, err := os.ReadFile(filepath.Join(m.mnt, ".thothfs", "stats"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.Atoi(strings.TrimSpace(value))
		}
	}
	return 0, fmt.Errorf("the mount counts no %s", name)
}

// entries returns the number of names in a directory of the mount, or 0 if it does not exist.
func (m *machine) entries(parts ...string) (int, error) {
	n, err := countEntries(filepath.Join(append([]string{m.mnt}, parts...)...))
	if errors.Is(err, iofs.ErrNotExist) {
		return 0, nil
	}
	return n, err
}

// listAll lists by-hash, which must contain n dumps.
func (m *machine) listAll(ctx context.Context, n int) error {
	lines, err := m.bash(ctx, listByHash, m.mnt, "")
	if err == nil && lines != strconv.Itoa(n) {
		err = fmt.Errorf("%s dumps are listed", lines)
	}
	return err
}

// resident returns the peak resident memory of the daemon in bytes.
func (m *machine) resident() (int64, error) {
	pid, err := os.ReadFile(filepath.Join(m.mnt, ".thothfs", "pid"))
	if err != nil {
		return 0, err
	}
	text, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("the kernel does not tell VmHWM")
}

// addResident adds the daemon's peak memory to the report.
func (s *scale) addResident(step string, m *machine) {
	r := Result{Step: step}
	var err error
	r.Bytes, err = m.resident()
	s.add(r, err)
}

func isMounted(dir string) bool {
	text, _ := os.ReadFile("/proc/self/mounts")
	return strings.Contains(string(text), " "+dir+" fuse")
}
