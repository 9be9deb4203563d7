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

	"thothfs/internal/filelock"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// fsType is what df -T and /proc/mounts call us, after "fuse.".
const fsType = "thothfs"

// maxStacked bounds how many dead mounts on one mountpoint Mend takes away.
const maxStacked = 16

// ErrMounted is a mountpoint on which a corpus is mounted already.
var ErrMounted = errors.New("a corpus is mounted there already")

// Mend takes away what a file system whose process died has left at mountpoint,
// an absolute path ("Transport endpoint is not connected"). It does nothing when
// there is nothing dead, and is ErrMounted when a corpus is mounted and alive, or
// ErrSilent when what is mounted there does not answer and its process lives.
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
	return fmt.Errorf("%s: too many dead mounts, one upon the other", mountpoint)
}

// mendTop takes the topmost mount away if it is dead.
func mendTop(mountpoint string, top *mountinfo.Info, patience time.Duration) (ended bool, err error) {
	ours := top.FSType == "fuse."+fsType
	if err := awaitAnswer(mountpoint, patience); err != nil {
		if !ours {
			return false, fmt.Errorf("%s %w", mountpoint, err)
		}
		if err := endDead(mountpoint, top.Minor); err != nil {
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

// lockMountpoint keeps others who mount here from looking at the table at the same
// time: the kernel would lay one mount upon the other. It locks the directory
// above, since the mountpoint itself may be dead, and goes on without where that
// cannot be had: only who mounts at the same instant is concerned.
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

// mountAt returns the topmost mount on exactly that directory, or nil. It asks
// the kernel's table and touches no file system.
func mountAt(mountpoint string) (*mountinfo.Info, error) {
	all, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { return m.Mountpoint != mountpoint, false })
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[len(all)-1], nil
}

// Unmount is umount(2), or fusermount3 where only that is permitted. A mount in use is EBUSY.
func Unmount(mountpoint string) error { return umount(mountpoint, 0, "-u") }

// Detach is Unmount that also succeeds for a mount in use: the file system lives until
// the last file on it is closed.
func Detach(mountpoint string) error { return umount(mountpoint, unix.MNT_DETACH, "-uz") }

func umount(mountpoint string, flags int, arg string) error {
	err := unix.Unmount(mountpoint, flags|unix.UMOUNT_NOFOLLOW)
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	bin, err := exec.LookPath("fusermount3")
	if err != nil {
		if bin, err = exec.LookPath("fusermount"); err != nil {
			return fmt.Errorf("only root may unmount without fusermount3: %w", err)
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
