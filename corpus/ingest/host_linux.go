package ingest

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"thothfs/dump"
)

// initialUTS is the initial UTS namespace (PROC_UTS_INIT_INO in include/linux/proc_ns.h).
// Containers have different ones.
const initialUTS = "uts:[4026531838]"

// thisHost describes this machine. The node name is empty if the process runs in a container.
func thisHost() host {
	var name unix.Utsname
	var since unix.Timespec
	if unix.Uname(&name) != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &since) != nil {
		return host{}
	}
	h := host{
		os:       "linux",
		machine:  unix.ByteSliceToString(name.Machine[:]),
		node:     unix.ByteSliceToString(name.Nodename[:]),
		platform: "Linux_" + unix.ByteSliceToString(name.Release[:]),
		boot:     time.Now().Add(-time.Duration(since.Nano())),
	}
	if id, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		h.bootID, _ = dump.ParseID(strings.ReplaceAll(strings.TrimSpace(string(id)), "-", ""))
	}
	if uts, err := os.Readlink("/proc/self/ns/uts"); err != nil || uts != initialUTS {
		h.node = ""
	}
	return h
}

// xattr returns an extended attribute of a file. It returns false if there is none with that name.
func xattr(path, name string) (string, bool) {
	buf := make([]byte, 64<<10) // the kernel's limit
	n, err := unix.Getxattr(path, name, buf)
	if err != nil {
		return "", false
	}
	return string(buf[:n]), true
}
