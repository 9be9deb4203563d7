// Package benchdoc contains the common parts of the benchmark reports: where they ran, and how
// their tables are inserted into a document.
package benchdoc

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// Machine describes the machine, using information from the kernel.
func Machine() map[string]string {
	m := map[string]string{"cpus": fmt.Sprint(runtime.NumCPU()), "arch": runtime.GOARCH}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m["kernel"] = unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
	}
	var si unix.Sysinfo_t
	if unix.Sysinfo(&si) == nil {
		m["memory"] = humanize.IBytes(uint64(si.Totalram) * uint64(si.Unit))
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		m["load at the start"] = strings.Join(strings.Fields(string(load))[:3], " ")
	}
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(cpuinfo)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m["cpu"] = strings.TrimSpace(value)
			break
		}
	}
	return m
}

// NotInstalled is the version reported for a program that cannot be run.
const NotInstalled = "not installed"

// Versions returns the first line of each program's version output, keyed by base name. The
// result always includes the Go version.
func Versions(ctx context.Context, programs ...[]string) map[string]string {
	v := map[string]string{"go": runtime.Version()}
	for _, argv := range programs {
		name := filepath.Base(argv[0])
		out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
		if v[name], _, _ = strings.Cut(strings.TrimSpace(string(out)), "\n"); err != nil {
			v[name] = NotInstalled
		}
	}
	return v
}

// ReplaceMarked replaces the text between the lines <!-- NAME: begin --> and <!-- NAME: end -->
// of a document. Both lines must exist. text must end with a newline.
func ReplaceMarked(doc, name, text string) error {
	old, err := os.ReadFile(doc)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+name+": begin -->\n", "<!-- "+name+": end -->\n"
	head, rest, ok := strings.Cut(string(old), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no marks %q and %q", doc, begin, end)
	}
	return os.WriteFile(doc, []byte(head+begin+text+end+tail), 0o644)
}
