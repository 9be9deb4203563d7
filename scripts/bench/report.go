package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"thothfs/scripts/benchdoc"
)

// report holds the results of a run, and information about where it ran.
type report struct {
	Time       time.Time
	Note       string `json:",omitempty"`
	Runs       int
	Sequential int // MiB
	Machine    map[string]string
	Versions   map[string]string
	Links      []link
	Checks     map[string]Check // keyed by link
	Cores      []*Core
	Tools      []string
	Results    []Result
	Transfers  []Transfer `json:",omitempty"`
	Gets       []Get      `json:",omitempty"`
	Crowds     []Crowd    `json:",omitempty"`
}

func newReport(ctx context.Context, b *bench, over []link, tools []tool) *report {
	r := &report{
		Time: time.Now().UTC().Truncate(time.Second), Note: b.note, Runs: b.runs, Sequential: b.sequential,
		Machine: benchdoc.Machine(), Versions: versions(ctx, b), Links: over, Checks: map[string]Check{}, Cores: b.cores,
	}
	for _, t := range tools {
		r.Tools = append(r.Tools, t.name)
	}
	return r
}

// find returns the result of a case, or nil if it is missing or failed.
func (r *report) find(l link, c *Core, command, tool, state string) *Result {
	for i := range r.Results {
		x := &r.Results[i]
		if x.Link == l.Name && x.Core == c.Name && x.Command == command && x.Tool == tool && x.State == state && x.Error == "" {
			return x
		}
	}
	return nil
}

// failed returns the cases that failed.
func (r *report) failed() []Result {
	var all []Result
	for _, x := range r.Results {
		if x.Error != "" {
			all = append(all, x)
		}
	}
	return all
}

// write writes bench.json, bench.md and bench.svg to dir. If doc is not empty, it also writes the
// picture beside doc and the tables into it.
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
	return benchdoc.ReplaceMarked(doc, "bench", r.summary(filepath.Base(picture)))
}

// versions returns the versions of the measured programs and of those used for measuring.
func versions(ctx context.Context, b *bench) map[string]string {
	v := benchdoc.Versions(ctx, []string{b.thothfs, "version"}, []string{"gdb", "--version"}, []string{"eu-stack", "--version"}, []string{"lldb", "--version"},
		[]string{"file", "--version"}, []string{"dd", "--version"}, []string{"curl", "--version"}, []string{"rclone", "version"}, []string{"httpdirfs", "--version"})
	if v["curl"] == benchdoc.NotInstalled {
		v["curl"] += ": downloads are by Go's HTTP client"
	}
	return v
}

func size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }
