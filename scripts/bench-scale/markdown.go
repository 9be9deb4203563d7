package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// markdown returns the complete report.
func (r *report) markdown() string {
	var w strings.Builder
	fmt.Fprintf(&w, "Measured %s, a store %s and %d Mbit/s away. Milliseconds, each step once. \"Plain\" is the same tree of links on a\n"+
		"plain file system, or what the notes say. The targets are for 1,000,000 dumps, unless they say another number.\n\n### How cost grows\n\n",
		r.Time.Format("2006-01-02 15:04 MST"), r.Latency, r.Mbit)
	r.growth(&w)
	fmt.Fprintf(&w, "\n### Every step\n\n| dumps | step | thothfs | plain | target | lines | requests | notes |\n|--:|---|--:|--:|--:|--:|--:|---|\n")
	for _, x := range r.Results {
		fmt.Fprintf(&w, "| %d | %s | %s | %s | %s | %s | %s | %s |\n", x.Dumps, x.Step, x.value(), number(x.Plain), at(x.Step, x.Dumps),
			count(int64(x.Lines)), count(x.Requests), x.remark())
	}
	w.WriteString("\n")
	for _, facts := range []map[string]string{r.Machine, r.Versions} {
		for _, name := range slices.Sorted(maps.Keys(facts)) {
			fmt.Fprintf(&w, "- %s: %s\n", name, facts[name])
		}
	}
	return w.String()
}

// growth returns a table with one line per step and two columns per size.
func (r *report) growth(w *strings.Builder) {
	var sizes []int
	var steps []string
	for _, x := range r.Results {
		if !slices.Contains(sizes, x.Dumps) {
			sizes = append(sizes, x.Dumps)
		}
		if !slices.Contains(steps, x.Step) {
			steps = append(steps, x.Step)
		}
	}
	w.WriteString("| step | target |")
	for _, n := range sizes {
		fmt.Fprintf(w, " %d dumps | plain |", n)
	}
	fmt.Fprintf(w, "\n|---|--:|%s\n", strings.Repeat("--:|", 2*len(sizes)))
	for _, step := range steps {
		fmt.Fprintf(w, "| %s | %s |", step, anywhere(step))
		for _, n := range sizes {
			value, plain := "", ""
			if x := r.find(step, n); x != nil {
				value, plain = x.value(), number(x.Plain)
			}
			fmt.Fprintf(w, " %s | %s |", value, plain)
		}
		w.WriteString("\n")
	}
}

// remark returns the note and, for a failed step, its error, on one line.
func (r Result) remark() string {
	if r.Error == "" {
		return r.Note
	}
	why, _, _ := strings.Cut(r.Error, "\n")
	return strings.Trim(r.Note+"; failed: "+strings.ReplaceAll(why, "|", `\|`), "; ")
}

func count(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
