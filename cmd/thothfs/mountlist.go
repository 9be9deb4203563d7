package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sync/errgroup"

	"thothfs/fs/fusefs"
)

// States of a mount.
const (
	mountServes = "ok"
	mountDead   = "dead"   // its process has ended
	mountSilent = "silent" // it does not answer within answerTimeout
	mountClosed = "closed" // only the user who mounted it has access
)

// mountStatus describes a mount of a corpus on this machine.
type mountStatus struct {
	Mountpoint string `json:"mountpoint"`
	State      string `json:"state"`
	Store      string `json:"store"`
	PID        int    `json:"pid,omitempty"`
	ReadOnly   bool   `json:"readOnly"`
	CacheDir   string `json:"cacheDir,omitempty"`
	Version    string `json:"version,omitempty"`
	// Private is set for a mount that a verb, such as debug, has for as long as it runs.
	Private bool `json:"private"`
}

// maxAsked is the number of mounts that listMounts asks at a time.
const maxAsked = 64

// listMounts returns the mounts of all corpora and users, in the order in which they were made, or those at
// some mountpoints. It waits at most for answerTimeout for each.
func listMounts(mountpoints []string) ([]mountStatus, error) {
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return m.FSType != "fuse.thothfs" || m.Root != "/" || len(mountpoints) > 0 && !slices.Contains(mountpoints, m.Mountpoint), false
	})
	if err != nil {
		return nil, err
	}
	all := make([]mountStatus, len(mounts))
	var asking errgroup.Group
	asking.SetLimit(maxAsked)
	for i, m := range mounts {
		asking.Go(func() error { all[i] = askMount(m); return nil })
	}
	asking.Wait()
	return all, nil
}

func askMount(m *mountinfo.Info) mountStatus {
	s := mountStatus{Mountpoint: m.Mountpoint, State: mountServes, Store: strings.TrimPrefix(m.Source, "thothfs#"),
		ReadOnly: slices.Contains(strings.Split(m.Options, ","), "ro")}
	config, err := fusefs.ReadControl(m.Mountpoint, "config", answerTimeout)
	switch {
	case errors.Is(err, fusefs.ErrSilent):
		s.State = mountSilent
		return s
	case err != nil:
		s.State = mountDead
		if _, err := os.Stat(m.Mountpoint); errors.Is(err, syscall.EACCES) {
			s.State = mountClosed
		}
		return s
	}
	for line := range strings.Lines(string(config)) {
		switch name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "="); name {
		case "store":
			s.Store = value
		case "cache-dir":
			s.CacheDir = filepath.Clean(value)
		case "version":
			s.Version = value
		case "private":
			s.Private = value == "true"
		}
	}
	if pid, err := fusefs.ReadControl(m.Mountpoint, "pid", answerTimeout); err == nil {
		s.PID, _ = strconv.Atoi(strings.TrimSpace(string(pid)))
	}
	return s
}
