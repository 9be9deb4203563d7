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
	Name string // program name, at most 15 bytes
	What string // the first thing found: "working directory", "open file /mnt/by-hash/…", "mapped file …"
}

// Holders returns the processes that use the file system mounted at mountpoint, an absolute path,
// as far as they are visible to the caller. It reads only /proc and sends no request to the file
// system, so it works even if the mount is served by the caller or its process is dead.
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

// processes returns the directories in /proc of all processes.
func processes() []string {
	procs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
	return procs
}

// device is the device number of a file system, as reported by stat(2).
type device struct{ major, minor uint32 }

// heldBy returns what the process in the directory proc uses on d, or "" for nothing.
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

// has reports whether the target of link is on d. With AT_STATX_DONT_SYNC the kernel uses its
// caches and sends no request to the file system.
func (d device) has(link string) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, link, unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, 0, &st)
	return err == nil && st.Dev_major == d.major && st.Dev_minor == d.minor
}

// mappedBy searches proc/maps, whose lines are "range perms offset major:minor inode path".
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
