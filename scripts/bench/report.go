package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// report is what a run found, and where.
type report struct {
	Time       time.Time
	Note       string `json:",omitempty"`
	Runs       int
	Sequential int // MiB
	Machine    map[string]string
	Versions   map[string]string
	Links      []link
	Checks     map[string]Check // by link
	Cores      []*Core
	Tools      []string
	Results    []Result
	Transfers  []Transfer `json:",omitempty"`
	Crowds     []Crowd    `json:",omitempty"`
}

func newReport(ctx context.Context, b *bench, over []link, tools []tool) *report {
	r := &report{
		Time: time.Now().UTC().Truncate(time.Second), Note: b.note, Runs: b.runs, Sequential: b.sequential,
		Machine: machine(), Versions: versions(ctx, b), Links: over, Checks: map[string]Check{}, Cores: b.cores,
	}
	for _, t := range tools {
		r.Tools = append(r.Tools, t.name)
	}
	return r
}

// find is the result of a case, nil if there is none that went well.
func (r *report) find(l link, c *Core, command, tool, state string) *Result {
	for i := range r.Results {
		x := &r.Results[i]
		if x.Link == l.Name && x.Core == c.Name && x.Command == command && x.Tool == tool && x.State == state && x.Error == "" {
			return x
		}
	}
	return nil
}

// failed are the cases that did not go well.
func (r *report) failed() []Result {
	var all []Result
	for _, x := range r.Results {
		if x.Error != "" {
			all = append(all, x)
		}
	}
	return all
}

// write leaves bench.json, bench.md and bench.svg in dir, and the last two beside
// and in doc, if one is named.
func (r *report) write(dir, doc string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	files := map[string][]byte{"bench.json": append(text, '\n'), "bench.md": []byte(r.markdown()), "bench.svg": []byte(r.svg())}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	if doc == "" {
		return nil
	}
	picture := strings.TrimSuffix(doc, ".md") + ".svg"
	if err := os.WriteFile(picture, files["bench.svg"], 0o644); err != nil {
		return err
	}
	return replaceMarked(doc, r.summary(filepath.Base(picture)))
}

const (
	beginMark = "<!-- bench: begin -->\n"
	endMark   = "<!-- bench: end -->\n"
)

// replaceMarked replaces what is between the marks of a document.
func replaceMarked(doc, text string) error {
	old, err := os.ReadFile(doc)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(old), beginMark)
	_, tail, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no marks %q and %q", doc, beginMark, endMark)
	}
	return os.WriteFile(doc, []byte(head+beginMark+text+endMark+tail), 0o644)
}

// machine is what the run ran on.
func machine() map[string]string {
	m := map[string]string{"cpus": fmt.Sprint(runtime.NumCPU()), "arch": runtime.GOARCH}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m["kernel"] = unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
	}
	var si unix.Sysinfo_t
	if unix.Sysinfo(&si) == nil {
		m["memory"] = size(int64(si.Totalram) * int64(si.Unit))
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

// versions are the first lines of what the programs say of themselves.
func versions(ctx context.Context, b *bench) map[string]string {
	v := map[string]string{"go": runtime.Version()}
	for _, argv := range [][]string{
		{b.thothfs, "version"}, {"gdb", "--version"}, {"eu-stack", "--version"}, {"lldb", "--version"}, {"file", "--version"},
		{"dd", "--version"}, {"curl", "--version"}, {"rclone", "version"}, {"httpdirfs", "--version"},
	} {
		name := filepath.Base(argv[0])
		out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
		line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		switch {
		case err == nil:
			v[name] = line
		case name == "curl":
			v[name] = "not installed: downloads are by Go's HTTP client"
		default:
			v[name] = "not installed"
		}
	}
	return v
}

func size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }
