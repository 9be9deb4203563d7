package corpus

import (
	"time"

	"golang.org/x/sys/unix"
)

// thisHost is the machine that we run on.
func thisHost() host {
	var name unix.Utsname
	var since unix.Timespec
	if unix.Uname(&name) != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &since) != nil {
		return host{}
	}
	return host{
		os:       "linux",
		machine:  unix.ByteSliceToString(name.Machine[:]),
		node:     unix.ByteSliceToString(name.Nodename[:]),
		platform: "Linux_" + unix.ByteSliceToString(name.Release[:]),
		boot:     time.Now().Add(-time.Duration(since.Nano())),
	}
}

// xattr returns an extended attribute of a file, false if it has none of that name.
func xattr(path, name string) (string, bool) {
	buf := make([]byte, 64<<10) // the most there can be
	n, err := unix.Getxattr(path, name, buf)
	if err != nil {
		return "", false
	}
	return string(buf[:n]), true
}
