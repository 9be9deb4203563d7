package show

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"thothfs/cmd/thothfs/output"
	"thothfs/dump"
	"thothfs/dump/document"
)

// fact is a line of the page: a label and a value.
type fact struct{ label, value string }

// facts collects the facts in a document.
type facts struct {
	doc  *document.Document
	now  time.Time
	all  []fact
	used map[string]bool // paths that were shown
}

// text returns the value at path on one line, and marks it as shown.
func (f *facts) text(path string) string {
	f.used[path] = true
	v, ok := f.doc.Get(path)
	if !ok || v.Kind() == document.KindNull {
		return ""
	}
	return output.Shorten(output.Cell(v.Text()), maxValue)
}

func (f *facts) add(label, value string) {
	if value != "" {
		f.all = append(f.all, fact{label, value})
	}
}

// factsOf returns the facts of a dump in the order of the page: those with a label of their own, and
// then all other members of the document. now is zero if times are shown without their age.
func factsOf(id dump.ID, doc *document.Document, now time.Time) []fact {
	f := &facts{doc: doc, now: now, used: map[string]bool{"properties": true, "stack": true, "name": true, "dump": true, "version": true}}
	f.add("Dump", id.String())
	f.add("Type", join(", ", f.text("type"), f.text("format")))
	pid, cmd := f.text("pid"), f.text("cmd")
	if pid != "" && cmd != "" {
		pid += " (" + cmd + ")"
	} else {
		f.add("Command", cmd)
	}
	f.add("PID", pid)
	f.add("Parent PID", f.text("ppid"))
	f.add("UID", f.text("uid"))
	f.add("GID", f.text("gid"))
	f.add("Signal", f.signal())
	f.add("Panic", f.text("panic"))
	f.add("Time", f.moment("time"))
	f.add("Command Line", f.text("psargs"))
	f.add("Executable", f.text("exe"))
	f.add("Build ID", f.text("buildid"))
	f.add("Threads", f.text("threads"))
	f.add("Size", f.size())
	f.add("Core Limit", f.limit())
	f.add("Unit", f.text("unit"))
	f.add("Container", f.text("container"))
	f.add("Node", f.text("node"))
	f.add("Platform", f.text("platform"))
	f.add("System", join(", ", f.text("os.distribution"), prefixed("kernel ", f.text("os.kernel"))))
	f.kernel()
	f.add("Boot ID", f.text("boot"))
	f.add("Uploaded", f.uploaded())
	f.add("Ticket", f.text("ticket"))
	f.add("Signature", f.signature())
	f.others()
	return f.all
}

func (f *facts) signal() string {
	name, number := f.text("signal.name"), f.text("signal.number")
	if name == "" && number == "" {
		return ""
	}
	s := cmp.Or(number, name)
	if name != "" && number != "" {
		s = number + " (" + name + ")"
	}
	sender := join(", ", prefixed("PID ", f.text("signal.pid")), prefixed("UID ", f.text("signal.uid")))
	code := cmp.Or(f.text("signal.codename"), prefixed("code ", f.text("signal.code")))
	f.used["signal.code"] = true
	return join(", ", s, code, prefixed("address ", f.text("signal.address")), prefixed("sent by ", sender))
}

// moment returns the time at path, with its age if there is a clock to compare it with.
func (f *facts) moment(path string) string {
	text := f.text(path)
	t, ok := f.doc.Time()
	if path != "time" {
		var err error
		t, err = time.Parse(time.RFC3339, text)
		ok = err == nil
	}
	if !ok {
		return text
	}
	text = t.UTC().Format("2006-01-02 15:04:05 UTC")
	if !f.now.IsZero() {
		text += " (" + humanize.RelTime(t, f.now, "ago", "from now") + ")"
	}
	return text
}

func (f *facts) size() string {
	text := f.text("size")
	if n, err := strconv.ParseUint(text, 10, 63); err == nil {
		text = bytesText(n)
	}
	if truncated := f.text("truncated"); truncated != "" && truncated != "false" {
		text = join(", ", text, "truncated")
	}
	return text
}

func (f *facts) limit() string {
	text := f.text("rlimit")
	if n, err := strconv.ParseUint(text, 10, 63); err == nil {
		text = bytesText(n)
	}
	return text
}

func bytesText(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%s (%s bytes)", humanize.IBytes(n), humanize.Comma(int64(n)))
}

// kernel adds the facts of the dump of a kernel.
func (f *facts) kernel() {
	f.add("Kernel", join(" ", f.text("kernel.release"), f.text("kernel.version")))
	f.add("Machine", f.text("kernel.machine"))
	f.add("CPUs", f.text("kernel.cpus"))
	uptime := f.text("kernel.uptime")
	if s, err := strconv.ParseInt(uptime, 10, 32); err == nil {
		uptime = (time.Duration(s) * time.Second).String()
	}
	f.add("Uptime", uptime)
	f.add("KASLR Offset", f.text("kernel.kaslr"))
	f.add("Dump Level", f.text("kernel.dumplevel"))
}

func (f *facts) uploaded() string {
	by := f.text("uploaded.by")
	if host := f.text("uploaded.host"); by != "" && host != "" {
		by += "@" + host
	}
	return join(" by ", f.moment("uploaded.at"), by)
}

func (f *facts) signature() string {
	hash, of := f.text("properties.signature"), f.text("properties.signature_of")
	return join(": ", hash, of)
}

// others adds the members that have not been shown.
func (f *facts) others() {
	f.doc.Walk(func(path string, _ document.Value) bool {
		first, _, _ := strings.Cut(path, ".")
		if !f.used[first] && !f.used[path] {
			f.add(output.Shorten(output.Cell(path), maxLabel), f.text(path))
		}
		return len(f.all) < maxFacts
	})
}

// properties returns the custom properties that were not shown among the facts.
func properties(doc *document.Document) []fact {
	f := &facts{doc: doc, used: map[string]bool{}}
	f.signature()
	doc.Walk(func(path string, _ document.Value) bool {
		if name, ok := strings.CutPrefix(path, "properties."); ok && !f.used[path] {
			f.add(output.Shorten(output.Cell(name), maxLabel), f.text(path))
		}
		return len(f.all) < maxFacts
	})
	return f.all
}

// join joins the texts that are not empty.
func join(sep string, texts ...string) string {
	var some []string
	for _, t := range texts {
		if t != "" {
			some = append(some, t)
		}
	}
	return strings.Join(some, sep)
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}
