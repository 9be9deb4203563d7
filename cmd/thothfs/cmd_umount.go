package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"thothfs/cmd/thothfs/output"
	"thothfs/fs/fusefs"
)

const (
	answerTimeout = 2 * time.Second  // for a mount to report its settings
	silentTimeout = 5 * time.Second  // after which umount aborts a mount that does not respond
	exitTimeout   = 10 * time.Second // for the process of an unmounted file system to exit
)

func umountCommand(cl *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "umount MOUNTPOINT",
		Aliases: []string{"unmount"},
		Short:   "Unmount the corpus",
		Long: `Unmounts the corpus and waits until its process has ended. If programs still use the
mount, umount names them and detaches it: it disappears from the tree immediately, and
its process ends when the last of them has closed its files.

A mount that does not answer within 5 seconds is removed anyway, and programs that wait
for it get an error ("Transport endpoint is not connected").`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runUmount(cmd.Context(), cl, args[0]) },
	}
}

func runUmount(ctx context.Context, cl *cli, mountpoint string) error {
	mountpoint, err := filepath.Abs(mountpoint)
	if err != nil {
		return err
	}
	mountpoint = mountedPath(mountpoint)
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { return m.Mountpoint != mountpoint, false })
	if err != nil {
		return err
	}
	// The last mount is on top of the others.
	if n := len(mounts); n == 0 || mounts[n-1].FSType != "fuse.thothfs" {
		return fmt.Errorf("%s is not mounted by thothfs (see: thothfs status)", mountpoint)
	}
	answer, err := fusefs.ReadControl(mountpoint, "pid", silentTimeout)
	if errors.Is(err, fusefs.ErrSilent) {
		return abortMount(cl, mountpoint, mounts[len(mounts)-1].Minor)
	}
	err = fusefs.Unmount(mountpoint)
	if errors.Is(err, unix.EBUSY) {
		cl.say("%s is in use and was detached; its process ends when these programs have closed it:", mountpoint)
		for _, h := range fusefs.Holders(mountpoint) {
			fmt.Fprintf(cl.stderr, "  %d %s (%s)\n", h.PID, output.Printable(h.Name), output.Printable(h.What))
		}
		return fusefs.Detach(mountpoint)
	}
	if err != nil {
		return err
	}
	pid, _ := strconv.Atoi(string(bytes.TrimSpace(answer))) // 0 if the process is dead
	return awaitExit(ctx, pid)
}

// abortMount removes a mount that does not respond. minor is the minor number of its device.
// Detaching the mount would not be enough: it would leave processes waiting that not even SIGKILL
// can end.
func abortMount(cl *cli, mountpoint string, minor int) error {
	cl.say("%s does not answer: processes that wait for it get an error", mountpoint)
	aborted := fusefs.Abort(minor)
	if err := fusefs.Detach(mountpoint); err != nil {
		return errors.Join(err, aborted)
	}
	if aborted != nil {
		return fmt.Errorf("unmounted, but the processes that wait for it could not be cut off: %w", aborted)
	}
	return nil
}

// awaitExit waits until the process pid, if it exists, has exited.
func awaitExit(ctx context.Context, pid int) error {
	if pid <= 0 {
		return nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	deadline := time.Now().Add(exitTimeout)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 200)
		if n > 0 || (err != nil && !errors.Is(err, unix.EINTR)) {
			return nil
		}
	}
	return fmt.Errorf("unmounted, but its process %d is still ending", pid)
}
