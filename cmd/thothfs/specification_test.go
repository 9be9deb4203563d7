package main

import (
	"fmt"
	"strings"
	"testing"
)

// specCorpus creates a corpus of documents as an upload writes them.
func (w *world) specCorpus() {
	for n, members := range map[int]string{
		1: `"type":"core","cmd":"node","exe":"/usr/bin/node","size":1073741824,"signal":{"number":6,"name":"SIGABRT"},"ticket":"OS-1","properties":{"triage":{"engineer":"bmc"},"count":5}`,
		2: `"type":"core","cmd":"java","size":4294967296,"signal":{"number":11,"name":"SIGSEGV"},"properties":{"count":50}`,
		3: `"type":"core","cmd":"worker","size":1000,"signal":{"number":11,"name":"SIGSEGV"},"properties":{}`,
		4: `"type":"crash","node":"headnode","platform":"joyent_2014"`,
	} {
		w.put(hash(n)+"/info.json", fmt.Sprintf(`{"name":"/x/%s","time":%d,%s}`, hash(n), 1373566300+n, members))
	}
}

// TestSpecifications checks what specifications select, in verbs and in the mount, and that no warning
// is printed for them.
func TestSpecifications(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.specCorpus()
	w.mount()
	waitFor(t, "the first sync", func() bool { return strings.Count(w.sh("ls mnt/by-hash"), "\n") == 4 })
	for spec, want := range map[string]string{
		"cmd!=node":                             "2 3 4",
		"cmd!=node cmd!=java":                   "3 4",
		"cmd=node,cmd=java":                     "1 2",
		"cmd=node,cmd=undefined":                "1 4",
		"ticket=defined":                        "1",
		"ticket!=undefined":                     "1",
		"ticket=undefined type=core":            "2 3",
		"size>1G":                               "2",
		"size>=1G":                              "1 2",
		"size=1G..4G":                           "1 2",
		"size=..1K":                             "3",
		"size!=1G..4G":                          "3 4",
		"size=1G":                               "1",
		"signal=SIGSEGV":                        "2 3",
		"signal=SIG*":                           "1 2 3",
		"signal.number=6":                       "1",
		"triage.engineer=bmc":                   "1",
		"properties.triage.engineer=bmc":        "1",
		"count>=10":                             "2",
		"count<1K":                              "1 2",
		"platform>=joyent_2013":                 "4",
		"time>=2013-07-11":                      "1 2 3 4",
		"time<=2013-07-11":                      "1 2 3 4",
		"time<2013-07-11":                       "",
		"time=2013-07-11..2013-07-11":           "1 2 3 4",
		"time=2013-07-11T18:11:42Z..2013-07-12": "2 3 4",
		"exe=*/node limit=1":                    "1",
	} {
		var hashes []string
		for _, n := range strings.Fields(want) {
			hashes = append(hashes, hash(int(n[0]-'0')))
		}
		r := w.try("info", spec)
		var got []string
		for _, line := range strings.Split(r.stdout, "\n") {
			if id, ok := strings.CutPrefix(strings.TrimSpace(line), `"id": "`); ok {
				got = append(got, strings.TrimRight(id, `",`))
			}
		}
		if r.code != 0 || r.stderr != "" || strings.Join(got, " ") != strings.Join(hashes, " ") {
			t.Errorf("info %s: %q, want %q: %+v", spec, got, hashes, r)
		}
		name := strings.ReplaceAll(spec, "/", "%2F")
		if got := strings.Join(strings.Fields(w.sh("ls 'mnt/query/"+name+"'")), " "); got != strings.Join(hashes, " ") {
			t.Errorf("query/%s: %q, want %q", name, got, hashes)
		}
	}
}

// TestNarrowing checks that the operators of specifications narrow a view.
func TestNarrowing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.specCorpus()
	w.mount()
	waitFor(t, "the first sync", func() bool { return strings.Count(w.sh("ls mnt/by-hash"), "\n") == 4 })
	for dir, want := range map[string]string{
		"by-type/core/size>1G":                  hash(2),
		"by-type/core/size<=1K":                 hash(3),
		"by-type/core/cmd!=java/size>=1G":       hash(1),
		"by-type/core/cmd=node,cmd=java/size>1": hash(1) + " " + hash(2),
	} {
		if got := strings.Join(strings.Fields(w.sh("ls 'mnt/"+dir+"'")), " "); got != want {
			t.Errorf("%s: %s", dir, got)
		}
	}
	for _, name := range []string{"size>1GB", "<1", "cmd==a"} {
		if got := w.sh("ls 'mnt/by-type/core/" + name + "' 2>&1 || true"); !strings.Contains(got, "No such file") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestMistakesInSpecifications checks what is said about specifications that are probably not what was
// meant.
func TestMistakesInSpecifications(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.specCorpus()
	for _, c := range []struct{ args, want string }{
		{"ls nosuch=1", `no dump has a property "nosuch"`},
		{"ls cont!=1", `no dump has a property "cont"; did you mean "count"?`},
		{"report triage.enginer=bmc", `no dump has a property "triage.enginer"; did you mean "triage.engineer"?`},
		{"ls cmd=node,java", "no dump matches cmd=node,java; commas and brackets are ordinary characters, and alternatives are written as cmd=A,cmd=B"},
		{"ls cmd=[nj]*", "brackets are ordinary"},
	} {
		if r := w.try(strings.Fields(c.args)...); r.code != 0 || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%s: %+v", c.args, r)
		}
	}
	for _, args := range []string{"ls os=x", "ls exe=x", "ls count", "ls stack.0=x", "ls stack=*f(a,b)*", "ls cmd=node,cmd=java"} {
		if r := w.try(strings.Fields(args)...); r.code != 0 || r.stderr != "" {
			t.Errorf("%s: %+v", args, r)
		}
	}
}

// TestWordsThatNameNothing checks that a word that is neither a dump nor a property is an error that
// suggests what may have been meant.
func TestWordsThatNameNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.specCorpus()
	w.put("0101ffff"+strings.Repeat("0", 24)+"/info.json", `{"type":"core","cmd":"node","time":1373566399}`)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"ls", "worker"}, exitNotFound, `"worker" is not a dump or a property: not in the corpus; did you mean cmd=worker?`},
		{[]string{"ls", "cont"}, exitNotFound, `did you mean "count"?`},
		{[]string{"ls", "triage.enginer"}, exitNotFound, `did you mean "triage.engineer"?`},
		{[]string{"report", "abc"}, exitNotFound, `"abc" is not a dump or a property (a prefix of a hash has at least 4 digits)`},
		{[]string{"ls", "020202ff"}, exitNotFound, "not in the corpus"},
		{[]string{"ls", "0202f"}, exitNotFound, "did you mean " + hash(2)[:16] + "?"},
		{[]string{"ls", "/nonexistent"}, exitNotFound, `"/nonexistent" is not a dump or a property`},
		{[]string{"info", "OS-1"}, exitNotFound, "did you mean ticket=OS-1?"},
		{[]string{"ls", "size", ">", "1G"}, exitUsage, "in quotation marks"},
		{[]string{"ls", "0101"}, exitUsage, "hash prefix 0101 is ambiguous (2 dumps):\n  0101ffff00000000  2013-07-11T18:13:19Z  node\n  0101010100000000  2013-07-11T18:11:41Z  node"},
		{[]string{"ls", "cmd==node"}, exitUsage, `"==" does not exist`},
		{[]string{"ls", "mtime=soon"}, exitUsage, "31 days"},
		{[]string{"ls", "size=1GB"}, exitUsage, "powers of 1024"},
		{[]string{"report", "cmd", "node", "cmd"}, exitUsage, `property "cmd" is named twice`},
	} {
		if r := w.try(c.args...); r.code != c.code || !strings.Contains(r.stderr, c.want) || r.stdout != "" {
			t.Errorf("%v: %+v", c.args, r)
		}
	}
	if got := w.must("ls", "0202", "count"); !strings.Contains(got, "50") {
		t.Errorf("a prefix of 4 digits: %s", got)
	}
	w.put("abcdef01"+strings.Repeat("0", 24)+"/info.json", `{"type":"core","cmd":"upper"}`)
	if got := w.must("ls", "ABCDEF01"); !strings.Contains(got, "upper") {
		t.Errorf("upper case: %s", got)
	}
}

// TestNamesOfProperties checks that a property has the same name in specifications, columns, reports
// and edits, and that other names cannot be set.
func TestNamesOfProperties(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.specCorpus()
	w.must("set", "cmd=java", "triage.engineer", "rm")
	for args, want := range map[string]string{
		"report triage.engineer=rm":             "1",
		"report triage.engineer":                `{"bmc":1,"rm":1}`,
		"report properties.triage.engineer":     `{"bmc":1,"rm":1}`,
		"report signal":                         `{"SIGABRT":1,"SIGSEGV":2}`,
		"report " + hash(2) + " signal":         `{"SIGSEGV":1}`,
		"report " + hash(1) + " triage":         `{"{\"engineer\":\"bmc\"}":1}`,
		"report signal=SIGSEGV triage.engineer": `{"rm":1}`,
	} {
		if got := strings.Join(strings.Fields(w.must(strings.Fields(args)...)), ""); got != want {
			t.Errorf("%s: %s", args, got)
		}
	}
	if got := w.must("ls", "cmd=node", "triage.engineer", "signal", "size"); !strings.Contains(got, "ENGINEER SIGNAL  SIZE") || !strings.Contains(got, "bmc      SIGABRT 1073741824") {
		t.Error(got)
	}
	before := w.sh("cat corpus/*/info.json | md5sum")
	for _, c := range []struct{ args, want string }{
		{"set cmd=node properties.x 1", `the name of the property is "x"`},
		{"set cmd=node user.thoth.x 1", `the name of the property is "x"`},
		{"set cmd=node user.thoth.properties.x 1", `the name of the property is "x"`},
		{"unset cmd=node properties.count", `the name of the property is "count"`},
		{"set cmd=node ticket OS-2", "use thothfs ticket"},
		{"unset cmd=node ticket", "use thothfs unticket"},
		{"set cmd=node cmd x", "is a field of the document"},
		{"set cmd=node signal.name x", "is a field of the document"},
		{"set cmd=node a!b x", "none of !"},
		{"set cmd=node a,b x", "none of !"},
		{"upload --set properties.x=1 f", `the name of the property is "x"`},
	} {
		if r := w.try(strings.Fields(c.args)...); r.code != exitUsage || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%s: %+v", c.args, r)
		}
	}
	if after := w.sh("cat corpus/*/info.json | md5sum"); after != before {
		t.Error("a document changed")
	}
}

// TestManyEditsAreConfirmed checks that an edit of more than 100 dumps needs a yes.
func TestManyEditsAreConfirmed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 101 {
		w.put(fmt.Sprintf("%08x%024x/info.json", n, n), `{"type":"core","cmd":"a"}`)
	}
	if r := w.try("set", "cmd=a", "x", "1"); r.code != exitUsage || !strings.Contains(r.stderr, "101 dumps match: give --yes") {
		t.Errorf("%+v", r)
	}
	if got := w.must("report", "x=defined"); got != "0\n" {
		t.Errorf("edited without --yes: %s", got)
	}
	for answer, want := range map[string]string{"n\r": "nothing was changed", "\r": "nothing was changed"} {
		term := onTerminal(t, w.command("ticket", "cmd=a", "OS-1"))
		term.expect("Change 101 dumps? [y/N]")
		term.send(answer)
		term.expect(want)
		if code := term.code(); code != exitFailure {
			t.Errorf("%q: exit %d", answer, code)
		}
	}
	term := onTerminal(t, w.command("ticket", "cmd=a", "OS-1"))
	term.expect("Change 101 dumps? [y/N]")
	term.send("y\r")
	if code := term.code(); code != exitOK || w.must("report", "ticket=OS-1") != "101\n" {
		t.Errorf("yes: exit %d: %s", code, term.text())
	}
	w.must("unticket", "cmd=a", "--yes")
	w.must("set", "cmd=a", "limit=100", "x", "1") // needs no answer
	if got := w.must("report", "x=1"); got != "100\n" {
		t.Error(got)
	}
}

// TestSinceTakesTimesOfPeople checks the times that --since takes.
func TestSinceTakesTimesOfPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.specCorpus()
	w.must("ticket", "cmd=java", "OS-5")
	for _, since := range []string{"yesterday", "2 hours ago", "3 days ago", "1h", "2013-07-11", "2013-07-11 18:00"} {
		if got := w.must("history", "--since", since); !strings.Contains(got, "OS-5") {
			t.Errorf("--since %q: %s", since, got)
		}
	}
	for _, since := range []string{"yesterdai", "2 hours ago or so", "2026-13-01"} {
		if r := w.try("history", "--since", since); r.code == 0 || !strings.Contains(r.stderr, since) || !strings.Contains(r.stderr, "is not a time") {
			t.Errorf("--since %q: %+v", since, r)
		}
	}
}

// TestSpecificationPage checks that the manual page has the text of docs/specifications.md, with its
// stars and brackets.
func TestSpecificationPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must("man", "man")
	page := strings.NewReplacer(`\fB`, "", `\fR`, "", `\fP`, "", `\-`, "-", `\&`, "", `\e`, `\`).Replace(w.sh("cat man/thothfs-spec.7"))
	prose := strings.Join(strings.Fields(page), " ")
	for _, want := range []string{"thothfs-spec - ", "cmd=svc*", "stack=*add(long*,int)*", "m is a month", "size=1G..4G", `psargs=sh\ -c`, "thothfs info 6433c1cc\n"} {
		if !strings.Contains(page, want) && !strings.Contains(prose, want) {
			t.Errorf("the page has no %q:\n%s", want, page)
		}
	}
}
