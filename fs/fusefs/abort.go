package fusefs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

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
