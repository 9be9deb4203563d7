package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"thothfs/cmd/thothfs/output"
	"thothfs/fs/fusefs"
)

// leaveTimeout is how long umount waits for the file system's process to end.
const leaveTimeout = 10 * time.Second

func umountCommand(cl *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "umount MOUNTPOINT",
		Short: "Unmount it",
		Long: `Unmounts the corpus and waits until its process has ended. When programs still
use it, says which, and detaches it: it is gone from the tree at once, and its
process ends when the last of them lets go.

A mount that does not answer within 5 seconds is taken away all the same, and the
programs that wait for it are cut off ("Transport endpoint is not connected").`,
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
	// The last is on top: the mountpoint may be a mount of something else below.
	if n := len(mounts); n == 0 || mounts[n-1].FSType != "fuse.thothfs" {
		return fmt.Errorf("%s is not mounted by thothfs (see: grep thothfs /proc/mounts)", mountpoint)
	}
	pid, err := servingPID(mountpoint)
	if errors.Is(err, fusefs.ErrSilent) {
		return cutOff(cl, mountpoint, mounts[len(mounts)-1].Minor)
	}
	err = unmount(mountpoint, 0)
	if errors.Is(err, unix.EBUSY) {
		printHolders(cl, mountpoint)
		return unmount(mountpoint, unix.MNT_DETACH)
	}
	if err != nil {
		return err
	}
	return awaitExit(ctx, pid)
}

// cutOff ends a mount that does not answer. number is the minor number of its device.
// If it were only detached, processes that wait for it would wait for ever, and not even
// SIGKILL would end them.
func cutOff(cl *cli, mountpoint string, number int) error {
	cl.say("%s does not answer: processes that wait for it get an error", mountpoint)
	aborted := fusefs.Abort(number)
	if err := unmount(mountpoint, unix.MNT_DETACH); err != nil {
		return errors.Join(err, aborted)
	}
	if aborted != nil {
		return fmt.Errorf("unmounted, but the processes that wait for it could not be cut off: %w", aborted)
	}
	return nil
}

func printHolders(cl *cli, mountpoint string) {
	cl.say("%s is in use; detached, its process ends when these let go:", mountpoint)
	for _, h := range fusefs.Holders(mountpoint) {
		fmt.Fprintf(cl.stderr, "  %d %s (%s)\n", h.PID, output.Printable(h.Name), output.Printable(h.What))
	}
}

// unmount calls umount2(2), or fusermount3 where only that may.
func unmount(mountpoint string, flags int) error {
	err := unix.Unmount(mountpoint, flags|unix.UMOUNT_NOFOLLOW)
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	arg := "-u"
	if flags&unix.MNT_DETACH != 0 {
		arg = "-uz"
	}
	out, err := exec.Command("fusermount3", arg, mountpoint).CombinedOutput()
	switch {
	case err == nil:
		return nil
	case bytes.Contains(out, []byte("busy")):
		return unix.EBUSY
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("fusermount3 is not installed (Debian: apt-get install fuse3)")
	}
	return fmt.Errorf("fusermount3: %s", bytes.TrimSpace(out))
}

// mountedPath resolves path as the kernel's table has it: the mountpoint itself,
// when it is in the table, without asking its file system.
func mountedPath(path string) string {
	direct := filepath.Join(realPath(filepath.Dir(path)), filepath.Base(path))
	if mounts, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(direct)); err == nil && len(mounts) > 0 {
		return direct
	}
	return realPath(path)
}

// How long a mount may take to tell its settings, and its process.
const (
	answerTimeout = 2 * time.Second
	silentTimeout = 5 * time.Second // after which umount cuts it off
)

// servingPID asks the mount for its process; 0 when it is dead, fusefs.ErrSilent when it does
// not answer.
func servingPID(mountpoint string) (int, error) {
	text, err := fusefs.ReadControl(mountpoint, "pid", silentTimeout)
	pid, _ := strconv.Atoi(string(bytes.TrimSpace(text)))
	return pid, err
}

// awaitExit waits until process pid has ended. One that is gone already is fine.
func awaitExit(ctx context.Context, pid int) error {
	if pid <= 0 {
		return nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	deadline := time.Now().Add(leaveTimeout)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 200)
		if n > 0 || (err != nil && !errors.Is(err, unix.EINTR)) {
			return nil
		}
	}
	return fmt.Errorf("unmounted, but its process %d is still ending", pid)
}
