package fs

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"

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
// there is nothing dead, and is ErrMounted when a corpus is mounted and alive.
func Mend(mountpoint string) error {
	for range maxStacked {
		top, err := mountAt(mountpoint)
		if err != nil || top == nil {
			return err
		}
		var st unix.Stat_t
		switch err := unix.Stat(mountpoint, &st); {
		case errors.Is(err, unix.ENOTCONN):
			if err := detach(mountpoint); err != nil {
				return fmt.Errorf("dead mount at %s: %w", mountpoint, err)
			}
		case top.FSType == "fuse."+fsType:
			return fmt.Errorf("%s: %w", mountpoint, ErrMounted)
		default:
			return nil
		}
	}
	return fmt.Errorf("%s: too many dead mounts, one upon the other", mountpoint)
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

// unmount is umount(2), by fusermount3 where only that may. A mount in use is EBUSY.
func unmount(mountpoint string) error { return umount(mountpoint, 0, "-u") }

// detach is unmount that always takes the name away: the file system lives until
// the last file on it is closed.
func detach(mountpoint string) error { return umount(mountpoint, unix.MNT_DETACH, "-uz") }

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
