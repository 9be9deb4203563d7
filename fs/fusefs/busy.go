package fusefs

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Holder is a process that keeps a mount busy.
type Holder struct {
	PID  int
	Name string // of its program, at most 15 bytes
	What string // the first thing found: "working directory", "open file /mnt/by-hash/…", "mapped file …"
}

// Holders lists the processes that hold something on the file system mounted at
// mountpoint, an absolute path, as far as the caller may look into them. It reads
// /proc alone and sends the file system no request, so it may be called by the
// process that serves it, and answers when that process is dead.
func Holders(mountpoint string) []Holder {
	m, err := mountAt(mountpoint)
	if err != nil || m == nil {
		return nil
	}
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	dev := device{uint32(m.Major), uint32(m.Minor)}
	var holders []Holder
	for _, p := range procs {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		if what := dev.heldBy("/proc/" + p.Name()); what != "" {
			holders = append(holders, Holder{PID: pid, Name: programName(pid), What: what})
		}
	}
	return holders
}

func programName(pid int) string {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return string(bytes.TrimSpace(comm))
}

// device is a file system by the number that stat(2) shows.
type device struct{ major, minor uint32 }

// heldBy says what the process in the directory proc holds, "" for nothing.
func (d device) heldBy(proc string) string {
	for _, l := range []struct{ name, what string }{
		{"cwd", "working directory"}, {"root", "root directory"}, {"exe", "program"},
	} {
		if d.at(proc + "/" + l.name) {
			return l.what
		}
	}
	fds, _ := os.ReadDir(proc + "/fd")
	for _, fd := range fds {
		link := proc + "/fd/" + fd.Name()
		if d.at(link) {
			name, _ := os.Readlink(link)
			return strings.TrimSpace("open file " + name)
		}
	}
	return d.mappedBy(proc)
}

// at tells whether what link leads to is on d. AT_STATX_DONT_SYNC answers from
// what the kernel holds: no request to the file system.
func (d device) at(link string) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, link, unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, 0, &st)
	return err == nil && st.Dev_major == d.major && st.Dev_minor == d.minor
}

// mappedBy looks through maps, whose lines are "range perms offset major:minor inode path".
func (d device) mappedBy(proc string) string {
	f, err := os.Open(proc + "/maps")
	if err != nil {
		return ""
	}
	defer f.Close()
	want := fmt.Sprintf("%02x:%02x", d.major, d.minor)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 5 && fields[3] == want {
			return "mapped file " + strings.Join(fields[5:], " ")
		}
	}
	return ""
}
