package fusefs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"thothfs/internal/filelock"
)

// fsType is the file system type shown by df -T and in /proc/mounts, after "fuse.".
const fsType = "thothfs"

// maxStacked is the maximum number of dead mounts on one mountpoint that Mend removes.
const maxStacked = 16

// ErrMounted is the error for a mountpoint on which a corpus is already mounted.
var ErrMounted = errors.New("a corpus is mounted there already")

// Mend unmounts a dead mount, whose process has died ("Transport endpoint is not connected"), from
// mountpoint, an absolute path. It does nothing if there is no dead mount. The error is ErrMounted
// when a live corpus is mounted there, and ErrSilent when the mount does not respond although its
// process is alive.
func Mend(mountpoint string) error { return mend(mountpoint, silentAfter) }

func mend(mountpoint string, patience time.Duration) error {
	for range maxStacked {
		top, err := mountAt(mountpoint)
		if err != nil || top == nil {
			return err
		}
		if ended, err := mendTop(mountpoint, top, patience); err != nil || !ended {
			return err
		}
	}
	return fmt.Errorf("%s: too many dead mounts, on top of each other", mountpoint)
}

// mendTop unmounts the topmost mount if it is dead.
func mendTop(mountpoint string, top *mountinfo.Info, patience time.Duration) (ended bool, err error) {
	ours := top.FSType == "fuse."+fsType
	if _, err := ask(patience, "stat", mountpoint); errors.Is(err, ErrSilent) {
		if !ours {
			return false, fmt.Errorf("%s %w", mountpoint, err)
		}
		if err := abortDead(mountpoint, top.Minor); err != nil {
			return false, err
		}
	}
	var st unix.Stat_t
	switch err := unix.Stat(mountpoint, &st); {
	case errors.Is(err, unix.ENOTCONN):
		if err := Detach(mountpoint); err != nil {
			return false, fmt.Errorf("dead mount at %s: %w", mountpoint, err)
		}
		return true, nil
	case ours:
		return false, fmt.Errorf("%s: %w", mountpoint, ErrMounted)
	}
	return false, nil
}

// lockMountpoint waits up to two seconds until no other process is mounting here: two processes
// that read the mount table at the same time would stack their mounts. It locks the parent
// directory, since the mountpoint itself may be dead. Errors are ignored, because without the lock
// only this unlikely race goes undetected.
func lockMountpoint(mountpoint string) (unlock func()) {
	f, err := os.Open(filepath.Dir(mountpoint))
	if err != nil {
		return func() {}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = filelock.Lock(ctx, f, filelock.Exclusive)
	return func() { f.Close() }
}

// mountAt returns the topmost mount on exactly that directory, or nil. It reads the kernel's mount
// table and accesses no file system.
func mountAt(mountpoint string) (*mountinfo.Info, error) {
	all, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { return m.Mountpoint != mountpoint, false })
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[len(all)-1], nil
}

// Unmount calls umount(2), or fusermount3 if only that is permitted. If the mount is in use, the
// error is EBUSY.
func Unmount(mountpoint string) error { return umount(mountpoint, 0, "-u") }

// Detach is like Unmount but also succeeds for a mount in use. The file system then lives until the
// last file on it is closed.
func Detach(mountpoint string) error { return umount(mountpoint, unix.MNT_DETACH, "-uz") }

func umount(mountpoint string, flags int, arg string) error {
	err := unix.Unmount(mountpoint, flags|unix.UMOUNT_NOFOLLOW)
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	bin, err := exec.LookPath("fusermount3")
	if err != nil {
		if bin, err = exec.LookPath("fusermount"); err != nil {
			return errors.New("only root can unmount here: fusermount3 is not installed (Debian: apt-get install fuse3)")
		}
	}
	cmd := exec.Command(bin, arg, mountpoint)
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return nil
	case bytes.Contains(out, []byte("busy")):
		return unix.EBUSY
	case bytes.Contains(out, []byte("not found in")), bytes.Contains(out, []byte("not mounted")):
		return unix.EINVAL
	}
	return fmt.Errorf("%s: %s", bin, bytes.TrimSpace(out))
}

// connections is where the kernel's control file system for FUSE is usually mounted. It contains a
// directory for each FUSE mount, named by device number (fs/fuse/control.c).
const connections = "/sys/fs/fuse/connections"

// Abort forcibly ends the connection of a file system. All calls on it fail with ENOTCONN, even
// those that no signal can end. number is the minor number of its device.
func Abort(number int) error {
	err := writeAbort(connections, number)
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	dir, terr := os.MkdirTemp("", "thothfs-fusectl")
	if terr != nil {
		return errors.Join(err, terr)
	}
	defer os.Remove(dir)
	if merr := unix.Mount("fusectl", dir, "fusectl", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); merr != nil {
		return errors.Join(err, fmt.Errorf("mount fusectl: %w", merr))
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	return writeAbort(dir, number)
}

func writeAbort(dir string, number int) error {
	return os.WriteFile(filepath.Join(dir, fmt.Sprint(number), "abort"), []byte("1"), 0)
}
