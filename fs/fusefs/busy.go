package fusefs

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
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

// Holders lists the processes that use the file system mounted at mountpoint, an absolute
// path, as far as the caller may see. It reads only /proc and sends the file system no
// request, so it works when the process of the mount is the caller, or dead.
func Holders(mountpoint string) (holders []Holder) {
	m, err := mountAt(mountpoint)
	if err != nil || m == nil {
		return nil
	}
	dev := device{uint32(m.Major), uint32(m.Minor)}
	for _, proc := range processes() {
		if what := dev.heldBy(proc); what != "" {
			pid, _ := strconv.Atoi(filepath.Base(proc))
			comm, _ := os.ReadFile(proc + "/comm")
			holders = append(holders, Holder{PID: pid, Name: string(bytes.TrimSpace(comm)), What: what})
		}
	}
	return holders
}

// processes returns the directories of all processes in /proc.
func processes() []string {
	procs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
	return procs
}

// device is the number of a file system, as stat(2) shows it.
type device struct{ major, minor uint32 }

// heldBy returns what the process in the directory proc uses on d, "" for nothing.
func (d device) heldBy(proc string) string {
	for _, l := range []struct{ name, what string }{
		{"cwd", "working directory"}, {"root", "root directory"}, {"exe", "program"},
	} {
		if d.has(proc + "/" + l.name) {
			return l.what
		}
	}
	fds, _ := os.ReadDir(proc + "/fd")
	for _, fd := range fds {
		link := proc + "/fd/" + fd.Name()
		if d.has(link) {
			name, _ := os.Readlink(link)
			return strings.TrimSpace("open file " + name)
		}
	}
	return d.mappedBy(proc)
}

// has reports whether the target of link is on d. AT_STATX_DONT_SYNC answers from the
// kernel's caches, without a request to the file system.
func (d device) has(link string) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, link, unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, 0, &st)
	return err == nil && st.Dev_major == d.major && st.Dev_minor == d.minor
}

// mappedBy searches maps, whose lines are "range perms offset major:minor inode path".
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
