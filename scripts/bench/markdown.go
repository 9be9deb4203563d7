package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// markdown returns the complete report: the summary and a table of every case.
func (r *report) markdown() string {
	var w strings.Builder
	w.WriteString(r.summary("bench.svg"))
	fmt.Fprintf(&w, "\n## Every case\n\nMilliseconds, medians. \"Added\" is beyond the local file in the page cache.\n")
	for _, l := range r.Links {
		fmt.Fprintf(&w, "\n### %v\n\n| core | command | tool | cold | min to max | added | of local | warm | requests | fetched | runs |\n|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n", l)
		for _, x := range r.Results {
			if x.Link == l.Name && x.State == cold && x.Error == "" {
				r.row(&w, l, x)
			}
		}
	}
	if failed := r.failed(); len(failed) > 0 {
		fmt.Fprintf(&w, "\n## Not measured\n\n")
		for _, x := range failed {
			first, _, _ := strings.Cut(x.Error, "\n")
			fmt.Fprintf(&w, "- %s, %s, %s, %s, %s: %s\n", x.Link, x.Core, x.Command, x.Tool, x.State, first)
		}
	}
	return w.String()
}

func (r *report) row(w *strings.Builder, l link, x Result) {
	c := r.core(x.Core)
	added, ratio, held := "", "", ""
	if local := r.find(l, c, x.Command, localName, warm); local != nil {
		added, ratio = number(x.Median-local.Median), fmt.Sprintf("%.2f", x.Median/local.Median)
	}
	if y := r.find(l, c, x.Command, x.Tool, warm); y != nil {
		held = number(y.Median)
	}
	fmt.Fprintf(w, "| %s | %s | %s | %s | %s to %s | %s | %s | %s | %d | %s | %d |\n", x.Core, x.Command, x.Tool, number(x.Median),
		number(x.Min), number(x.Max), added, ratio, held, x.Requests, size(x.Bytes), x.Runs)
}

func (r *report) core(name string) *Core {
	return r.Cores[slices.IndexFunc(r.Cores, func(c *Core) bool { return c.Name == name })]
}

// summary returns the first part of the report.
func (r *report) summary(picture string) string {
	var w strings.Builder
	fmt.Fprintf(&w, "Measured %s", r.Time.Format("2006-01-02 15:04 MST"))
	if r.Note != "" {
		fmt.Fprintf(&w, ". %s", r.Note)
	}
	fmt.Fprintf(&w, "\n\n![wall time by tool and link](%s)\n\n", picture)
	fmt.Fprintf(&w, "Milliseconds, medians of up to %d runs; cold, but for \"warm\". \"Adds\" is thothfs's cold time beyond the local file's in the page cache; the\n"+
		"columns after it set that against what the others add. Sequential is %d MiB.\n", r.Runs, r.Sequential)
	for _, l := range r.Links {
		r.summarizeLink(&w, l)
	}
	r.summarizeHeld(&w)
	r.summarizeTransfers(&w)
	r.summarizeGets(&w)
	r.summarizeCrowds(&w)
	fmt.Fprintf(&w, "\n| core | what | size |\n|---|---|--:|\n")
	for _, c := range r.Cores {
		fmt.Fprintf(&w, "| %s | %s | %s |\n", c.Name, c.What, size(c.Size))
	}
	w.WriteString("\n")
	for _, facts := range []map[string]string{r.Machine, r.Versions} {
		for _, name := range slices.Sorted(maps.Keys(facts)) {
			fmt.Fprintf(&w, "- %s: %s\n", name, facts[name])
		}
	}
	return w.String()
}

func (r *report) summarizeLink(w *strings.Builder, l link) {
	c := r.Checks[l.Name]
	fmt.Fprintf(w, "\n### %v\n\nAs a plain client finds it: 100 bytes in %.1f ms, one connection %.0f Mbit/s, 16 together %.0f Mbit/s.\n\n", l, c.Small, c.OneMbit, c.SharedMbit)
	variants := slices.DeleteFunc(slices.Clone(r.Tools), func(t string) bool { return t != originalName && t != learnedName })
	header := append([]string{"core", "command", "local", "thothfs", "warm"}, variants...)
	header = append(header, "rclone as it is", "best other mount", "download and then", "adds", "of rclone's", "of the best's", "of download", "requests", "fetched", "of the file")
	fmt.Fprintf(w, "| %s |\n|---|---|%s\n", strings.Join(header, " | "), strings.Repeat("--:|", len(header)-2))
	seen := map[string]bool{}
	for _, x := range r.Results {
		key := x.Core + " " + x.Command
		if x.Link != l.Name || x.Error != "" || x.Command == downloadName || seen[key] || x.Command == heldSequential || x.Command == heldRandom {
			continue
		}
		seen[key] = true
		r.summarizeCase(w, l, r.core(x.Core), x.Command, variants)
	}
}

// summarizeHeld summarizes the results for dumps that are completely cached.
func (r *report) summarizeHeld(w *strings.Builder) {
	begun := false
	for _, x := range r.Results {
		if !isHeld(x.Tool) || x.State != cold || x.Error != "" {
			continue
		}
		if !begun {
			fmt.Fprintf(w, "\n### A dump that is held from end to end\n\nA fresh mount each time: first with nothing in the page cache, which measures the disk, then the same again with "+
				"the file in it, the local one or the one in thothfs's cache, but nothing of the mount. "+
				"%s is read through thothfs, %s by kernel passthrough. Speeds as a part of the local file's.\n\n"+
				"| core | command | tool | local | tool | of local's speed | GB/s | local again | tool again | of local's speed | GB/s |\n|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
				heldName, completeName)
			begun = true
		}
		r.heldRow(w, x)
	}
}

func isHeld(tool string) bool { return tool == heldName || tool == completeName }

func (r *report) heldRow(w *strings.Builder, x Result) {
	l, c := r.Links[slices.IndexFunc(r.Links, func(l link) bool { return l.Name == x.Link })], r.core(x.Core)
	fmt.Fprintf(w, "| %s | %s | %s |", x.Core, x.Command, x.Tool)
	for _, state := range []string{cold, warm} {
		local, ours := r.find(l, c, x.Command, localName, state), r.find(l, c, x.Command, x.Tool, state)
		if local == nil || ours == nil {
			w.WriteString(" | | | |")
			continue
		}
		bytes := c.Size
		if x.Command == heldRandom {
			bytes = heldReads * 4096
		}
		fmt.Fprintf(w, " %s | %s | %.2f | %.2f |", number(local.Median), number(ours.Median), local.Median/ours.Median, float64(bytes)/1e6/ours.Median)
	}
	w.WriteString("\n")
}

// summarizeCase writes one line with thothfs and its baselines.
func (r *report) summarizeCase(w *strings.Builder, l link, c *Core, command string, variants []string) {
	at := func(tool, state string) *Result { return r.find(l, c, command, tool, state) }
	local, ours, rclone, best := at(localName, warm), at(thothfsName, cold), at("rclone-off", cold), r.bestOther(l, c, command)
	whole := at(downloadName, cold)
	cells := []string{c.Name, command, median(local), median(ours), median(at(thothfsName, warm))}
	for _, v := range variants {
		cells = append(cells, median(at(v, cold)))
	}
	bestCell := median(best)
	if best != nil {
		bestCell += " (" + best.Tool + ")"
	}
	cells = append(cells, median(rclone), bestCell, median(whole))
	if local == nil || ours == nil {
		cells = append(cells, "", "", "", "", "", "", "")
	} else {
		added := ours.Median - local.Median
		share := func(other *Result, base float64) string {
			if other == nil || other.Median <= base {
				return ""
			}
			return fmt.Sprintf("%.3f", added/(other.Median-base))
		}
		cells = append(cells, number(added), share(rclone, local.Median), share(best, local.Median), share(whole, local.Median),
			fmt.Sprint(ours.Requests), size(ours.Bytes), fmt.Sprintf("%.2f %%", 100*float64(ours.Bytes)/float64(c.Size)))
	}
	fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
}

// bestOther returns the fastest cold run of the other mounts. Each set of options counts as a
// separate mount.
func (r *report) bestOther(l link, c *Core, command string) *Result {
	var best *Result
	for _, t := range r.Tools {
		if strings.HasPrefix(t, thothfsName) || t == localName || t == downloadName {
			continue
		}
		if x := r.find(l, c, command, t, cold); x != nil && (best == nil || x.Median < best.Median) {
			best = x
		}
	}
	return best
}

func median(x *Result) string {
	if x == nil {
		return ""
	}
	return number(x.Median)
}

// number formats milliseconds with a precision suited to their size.
func number(ms float64) string {
	if ms < 10 && ms > -10 {
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}
