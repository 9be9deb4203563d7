package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"

	"thothfs/scripts/benchdoc"
)

// Result is one step on one corpus. Times are in milliseconds; 0 means none.
type Result struct {
	Dumps          int
	Step           string
	Thothfs, Plain float64
	Lines          int    // lines of output
	Requests       int64  // requests to the store
	Bytes          int64  `json:",omitempty"` // bytes of memory, measured instead of a time
	Count          int64  `json:",omitempty"` // measured instead of a time
	Note           string `json:",omitempty"`
	Error          string `json:",omitempty"`
}

// value formats the measured value for a table.
func (r Result) value() string {
	switch {
	case r.Error != "":
		return "failed"
	case r.Bytes > 0:
		return humanize.IBytes(uint64(r.Bytes))
	case r.Count > 0:
		return fmt.Sprint(r.Count)
	}
	return number(r.Thothfs)
}

func (r Result) String() string {
	text := fmt.Sprintf("%s: %s, plain %s, %d lines, %d requests", r.Step, r.value(), number(r.Plain), r.Lines, r.Requests)
	if r.Note != "" {
		text += " (" + r.Note + ")"
	}
	if r.Error != "" {
		text += "  FAILED: " + r.Error
	}
	return text
}

// number formats milliseconds with a precision suited to their size.
func number(ms float64) string {
	switch {
	case ms == 0:
		return ""
	case ms < 10:
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}

// report holds the results of a run, and information about where it ran.
type report struct {
	Time     time.Time
	Latency  string
	Mbit     int64
	Poll     string // interval of the mounts whose polls are counted
	Machine  map[string]string
	Versions map[string]string
	Results  []Result
}

// find returns the result of a step on a corpus of n dumps, or nil if there is none.
func (r *report) find(step string, n int) *Result {
	for i := range r.Results {
		if x := &r.Results[i]; x.Step == step && x.Dumps == n {
			return x
		}
	}
	return nil
}

// write writes scale.json and scale.md to dir, and the tables to doc if it is not empty.
func (r *report) write(dir, doc string) error {
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
	if err := os.WriteFile(filepath.Join(dir, "scale.md"), []byte(r.markdown()), 0o644); err != nil || doc == "" {
		return err
	}
	return benchdoc.ReplaceMarked(doc, "scale", r.markdown())
}
