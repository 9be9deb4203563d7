package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

const (
	plotWidth  = 900
	plotLeft   = 170 // start of the bars
	plotRight  = 90  // room for their values
	barHeight  = 16
	barGap     = 4
	panelTitle = 34
)

// svg plots the cold wall time of a backtrace of all threads, by tool and link. It has a panel
// for each core and link, all on the same logarithmic scale.
func (r *report) svg() string {
	var w strings.Builder
	y := 30
	for _, c := range r.Cores {
		for _, l := range r.Links {
			if bars := r.bars(l, c); len(bars) > 0 {
				y = plotPanel(&w, y, fmt.Sprintf("%s (%s), gdb thread apply all bt, cold, %v", c.Name, c.What, l), bars)
			}
		}
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">
<rect width="100%%" height="100%%" fill="white"/>
<text x="10" y="20" font-weight="bold">Milliseconds from the command's start to its end (logarithmic)</text>
%s</svg>
`, plotWidth, y+10, w.String())
}

// bar is one tool's time in milliseconds.
type bar struct {
	name string
	ms   float64
}

// bars returns the tools of a panel.
func (r *report) bars(l link, c *Core) []bar {
	var bars []bar
	local := r.find(l, c, "gdb-all", localName, warm)
	for _, t := range r.Tools {
		x := r.find(l, c, "gdb-all", t, cold)
		if t == localName {
			x = local
		}
		if x == nil {
			continue
		}
		name := t
		if t == downloadName {
			name = "download, then local"
		}
		bars = append(bars, bar{name, x.Median})
	}
	return bars
}

// plotPanel draws bars starting at y and returns the y coordinate of their end.
func plotPanel(w *strings.Builder, y int, title string, bars []bar) int {
	y += panelTitle
	fmt.Fprintf(w, `<text x="10" y="%d" font-weight="bold">%s</text>`+"\n", y-10, html.EscapeString(title))
	bottom := y + len(bars)*(barHeight+barGap)
	for decade := 10; decade <= 1_000_000; decade *= 10 {
		x := plotX(float64(decade))
		fmt.Fprintf(w, `<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="#ddd"/><text x="%d" y="%d" fill="#888" font-size="10" text-anchor="middle">%d</text>`+"\n",
			x, x, y, bottom, x, bottom+10, decade)
	}
	for _, b := range bars {
		color := "#9aa5b1"
		if strings.HasPrefix(b.name, thothfsName) {
			color = "#d9480f"
		} else if b.name == localName {
			color = "#2b8a3e"
		}
		fmt.Fprintf(w, `<text x="%d" y="%d" text-anchor="end">%s</text><rect x="%d" y="%d" width="%d" height="%d" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n",
			plotLeft-6, y+barHeight-4, html.EscapeString(b.name), plotLeft, y, plotX(b.ms)-plotLeft, barHeight, color, plotX(b.ms)+4, y+barHeight-4, number(b.ms))
		y += barHeight + barGap
	}
	return bottom + 14
}

// plotX returns the x coordinate of a time in milliseconds, from 10 to 1,000,000.
func plotX(ms float64) int {
	decades := math.Log10(max(ms, 10)) - 1
	return plotLeft + int(decades/5*float64(plotWidth-plotLeft-plotRight))
}
