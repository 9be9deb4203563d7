package ingest

import (
	"bufio"
	"io"
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
		os:      "linux",
		machine: unix.ByteSliceToString(name.Machine[:]),
		node:    unix.ByteSliceToString(name.Nodename[:]),
		kernel:  unix.ByteSliceToString(name.Release[:]),
		boot:    time.Now().Add(-time.Duration(since.Nano())),
	}
	h.platform, h.distribution = "Linux_"+h.kernel, distribution("/etc/os-release", "/usr/lib/os-release")
	if id, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		h.bootID, _ = dump.ParseID(strings.ReplaceAll(strings.TrimSpace(string(id)), "-", ""))
	}
	if uts, err := os.Readlink("/proc/self/ns/uts"); err != nil || uts != initialUTS {
		h.node = ""
	}
	return h
}

// distribution returns PRETTY_NAME of the first of the files (os-release(5)) that exists, or "".
func distribution(files ...string) string {
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		defer f.Close()
		lines := bufio.NewScanner(io.LimitReader(f, 64<<10))
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), "PRETTY_NAME="); ok {
				return strings.Trim(text, `"'`)
			}
		}
		return ""
	}
	return ""
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
