package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Result is one step on one corpus. Times are milliseconds.
type Result struct {
	Dumps          int
	Step           string
	Thothfs, Plain float64 // Plain 0: there is no such thing
	Lines          int     // that came
	Requests       int64   // to the store
	Bytes          int64   `json:",omitempty"` // of memory
	Error          string  `json:",omitempty"`
}

func (r Result) String() string {
	text := fmt.Sprintf("%s: %.1f ms, plain %.1f ms, %d lines, %d requests", r.Step, r.Thothfs, r.Plain, r.Lines, r.Requests)
	if r.Bytes > 0 {
		text = r.Step + ": " + humanize.IBytes(uint64(r.Bytes))
	}
	if r.Error != "" {
		text += "  FAILED: " + r.Error
	}
	return text
}

// report is what a run found.
type report struct {
	Time    time.Time
	Latency string
	Mbit    int64
	Results []Result
}

// write leaves scale.json and scale.md in dir.
func (r *report) write(dir string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "scale.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "scale.md"), []byte(r.markdown()), 0o644)
}

func (r *report) markdown() string {
	var w strings.Builder
	fmt.Fprintf(&w, "Measured %s, a store %s and %d Mbit/s away, %d processors. Milliseconds; \"plain\" is the same tree of links on a plain file system.\n\n",
		r.Time.Format("2006-01-02 15:04 MST"), r.Latency, r.Mbit, runtime.NumCPU())
	fmt.Fprintf(&w, "| dumps | step | thothfs | plain | lines | requests |\n|--:|---|--:|--:|--:|--:|\n")
	for _, x := range r.Results {
		ours, plain := fmt.Sprintf("%.1f", x.Thothfs), ""
		switch {
		case x.Error != "":
			ours, _, _ = strings.Cut("failed: "+x.Error, "\n")
		case x.Bytes > 0:
			ours = humanize.IBytes(uint64(x.Bytes))
		case x.Plain > 0:
			plain = fmt.Sprintf("%.1f", x.Plain)
		}
		fmt.Fprintf(&w, "| %d | %s | %s | %s | %d | %d |\n", x.Dumps, x.Step, ours, plain, x.Lines, x.Requests)
	}
	return w.String()
}
