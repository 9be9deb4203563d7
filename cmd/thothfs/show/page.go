// Package show lays out what is known of a dump as a page of text, in the manner of coredumpctl info.
package show

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"thothfs/cmd/thothfs/debugger"
	"thothfs/cmd/thothfs/output"
	"thothfs/dump"
	"thothfs/dump/document"
)

const (
	columns   = 80   // width to which text is wrapped where words allow it
	maxValue  = 1000 // maximum number of characters of a value
	maxLabel  = 40   // maximum number of characters of the name of a property
	maxFacts  = 300  // maximum number of facts or properties
	maxFrames = 32   // maximum number of frames of the thread that died
	maxOthers = 8    // maximum number of frames of the other threads
	maxStacks = 16   // maximum number of different stacks of other threads
)

// Page is what is shown of one dump.
type Page struct {
	ID      dump.ID
	Doc     *document.Document
	Storage string // where the dump is, and whether it is at hand

	// Threads are the stacks read from the dump, the thread that died first. Without any, the stack
	// in the document is shown, and NoThreads says why there are no others.
	Threads   []debugger.ThreadStack
	NoThreads string

	// Program is where the program or kernel of the dump is; "" if the dump was not read.
	Program   string
	Modules   []Module
	NoModules string // why there are no modules; "" if the dump has none

	History []Edit
	More    string // about edits that are not in History; "" if there are none
	Debug   string // the command that debugs the dump
}

// Module is a file that was mapped.
type Module struct {
	Path, BuildID string
	Match         debugger.BuildMatch
}

// Edit is an edit of the document, with the texts of its columns.
type Edit struct {
	Time       time.Time
	By, Change string
}

// Layout says for whom a page is written.
type Layout struct {
	// Width is the number of columns to which stacks, modules and edits are cut; 0 means that they
	// are not cut.
	Width int
	// Now is the time to which times are compared; the zero Time means that they are not.
	Now time.Time
}

// Write prints the page.
func (p *Page) Write(w io.Writer, l Layout) error {
	out := bufio.NewWriter(w)
	all := factsOf(p.ID, p.Doc, l.Now)
	for _, f := range []fact{{"Storage", p.Storage}, {p.program(), p.Program}} {
		if f.value != "" {
			all = append(all, f)
		}
	}
	writeFacts(out, all, 2)
	p.writeStacks(out, l.Width)
	p.writeModules(out, l.Width)
	if some := properties(p.Doc); len(some) > 0 {
		fmt.Fprintln(out, "\nProperties:")
		writeFacts(out, some, 2)
	}
	p.writeHistory(out, l)
	if p.Debug != "" {
		fmt.Fprintf(out, "\nTo debug it: %s\n", p.Debug)
	}
	return out.Flush()
}

// isKernel reports whether the dump is that of a kernel.
func (p *Page) isKernel() bool { return p.Doc.String("type") == string(dump.Crash) }

// program returns the label of Program.
func (p *Page) program() string {
	if p.isKernel() {
		return "vmlinux"
	}
	return "Program"
}

// writeFacts prints facts with aligned labels. Values that are too long continue below their beginning.
func writeFacts(out io.Writer, all []fact, margin int) {
	width := 0
	for _, f := range all {
		width = max(width, min(utf8.RuneCountInString(f.label), 20))
	}
	indent := margin + width + 2
	for _, f := range all {
		pad := max(0, width-utf8.RuneCountInString(f.label))
		lines := wrap(f.value, columns-indent)
		fmt.Fprintf(out, "%*s%s: %s\n", margin+pad, "", f.label, lines[0])
		for _, line := range lines[1:] {
			fmt.Fprintf(out, "%*s%s\n", indent, "", line)
		}
	}
}

// wrap breaks text at blanks into lines of at most width characters. Words are not broken.
func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Split(text, " ") {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// cut shortens a line to width characters, unless width is 0.
func cut(line string, width int) string {
	if width == 0 {
		return line
	}
	return output.Shorten(line, max(width, 20))
}

func (p *Page) writeStacks(out io.Writer, width int) {
	threads := p.Threads
	if len(threads) == 0 {
		recorded := p.Doc.Stack()
		head := "Stack"
		if p.isKernel() {
			head = "Call trace"
		}
		if len(recorded) > 0 {
			fmt.Fprintf(out, "\n%s:\n", head)
			writeFrames(out, recorded, maxFrames, width)
		}
		writeNote(out, p.NoThreads)
		return
	}
	fmt.Fprintf(out, "\nStack of the thread that died (%d):\n", threads[0].TID)
	writeFrames(out, threads[0].Frames, maxFrames, width)
	groups := groupStacks(threads[1:])
	more := 0
	for i, g := range groups {
		if i >= maxStacks {
			more += len(g.tids)
			continue
		}
		fmt.Fprintf(out, "\n%s:\n", g.head())
		writeFrames(out, g.frames, maxOthers, width)
	}
	if more > 0 {
		writeNote(out, fmt.Sprintf("%d more threads have other stacks.", more))
	}
	writeNote(out, p.NoThreads)
}

// stackGroup is the threads that have the same stack.
type stackGroup struct {
	tids   []string
	frames []string
}

// head names the threads of the group, or some of them.
func (g *stackGroup) head() string {
	const named = 6
	n := len(g.tids)
	switch {
	case n == 1:
		return "Stack of thread " + g.tids[0]
	case n > named:
		return fmt.Sprintf("Stack of %d threads (%s, …)", n, strings.Join(g.tids[:named], ", "))
	}
	return fmt.Sprintf("Stack of %d threads (%s)", n, strings.Join(g.tids, ", "))
}

// groupStacks groups threads by their stacks, in the order of the first thread of each.
func groupStacks(threads []debugger.ThreadStack) (groups []*stackGroup) {
	byStack := map[string]*stackGroup{}
	for _, t := range threads {
		key := strings.Join(t.Frames, "\n")
		g := byStack[key]
		if g == nil {
			g = &stackGroup{frames: t.Frames}
			byStack[key] = g
			groups = append(groups, g)
		}
		g.tids = append(g.tids, fmt.Sprint(t.TID))
	}
	return groups
}

func writeFrames(out io.Writer, frames []string, most, width int) {
	for i, frame := range frames {
		if i == most {
			fmt.Fprintf(out, "      … %d more frames\n", len(frames)-most)
			break
		}
		fmt.Fprintln(out, cut(fmt.Sprintf("  #%-3d%s", i, output.Cell(frame)), width))
	}
}

// writeNote prints a sentence as a separate paragraph.
func writeNote(out io.Writer, text string) {
	if text == "" {
		return
	}
	fmt.Fprintln(out)
	for _, line := range wrap(text, columns) {
		fmt.Fprintln(out, line)
	}
}

func (p *Page) writeModules(out io.Writer, width int) {
	writeNote(out, p.NoModules)
	if len(p.Modules) == 0 {
		return
	}
	same := 0
	for _, m := range p.Modules {
		if m.Match == debugger.Same {
			same++
		}
	}
	fmt.Fprintf(out, "\nModules (%d of %d are on this machine in the same build):\n", same, len(p.Modules))
	for _, m := range p.Modules {
		id := cmp.Or(m.BuildID, "-")
		if width > 0 {
			id = fmt.Sprintf("%-16s", output.Shorten(id, 16))
		}
		line := fmt.Sprintf("  %-7s  %s  ", m.Match, id)
		path := output.Cell(m.Path)
		if width > 0 && utf8.RuneCountInString(line+path) > width {
			path = "…/" + filepath.Base(path)
		}
		fmt.Fprintln(out, cut(line+path, width))
	}
}

func (p *Page) writeHistory(out io.Writer, l Layout) {
	if len(p.History) == 0 {
		writeNote(out, p.More)
		return
	}
	fmt.Fprintln(out, "\nLast edits:")
	for _, e := range p.History {
		fmt.Fprintln(out, cut(fmt.Sprintf("  %s  %s  %s", e.Time.UTC().Format(time.RFC3339), output.Cell(e.By), e.Change), l.Width))
	}
	if p.More != "" {
		fmt.Fprintln(out, "  "+p.More)
	}
}
