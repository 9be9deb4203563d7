package ingest

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store/mem"
)

func realCore(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../dump/testdata/cores", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// documentOf uploads a file and returns its document.
func documentOf(t *testing.T, path string, o Options) *document.Document {
	t.Helper()
	co := options(t, mem.New())
	co.By = "jane@desk"
	c := open(t, co)
	res, err := Upload(t.Context(), c, path, o)
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.Cached(t.Context(), res.ID)
	if err != nil {
		t.Fatal(err)
	}
	return d.Doc
}

// wantMembers checks values at paths, as JSON; "" means none.
func wantMembers(t *testing.T, doc *document.Document, want map[string]string) {
	t.Helper()
	for path, text := range want {
		if v, _ := doc.Get(path); string(v.JSON()) != text {
			t.Errorf("%s is %s, want %s", path, v.JSON(), text)
		}
	}
}

func TestFactsOfTheDump(t *testing.T) {
	t.Parallel()
	doc := documentOf(t, local(t, "core", realCore(t, "pyelftools-linux64.core")), Options{})
	wantMembers(t, doc, map[string]string{
		"exe": `"/home/max42/pyelftools/test/coredump_self"`, "buildid": `"48fa69b60eae8348d586679eb6992f568bf70954"`,
		"signal": `{ "name": "SIGABRT", "number": 6, "code": -6, "codename": "SI_TKILL", "pid": 23395, "uid": 1000 }`,
		"uid":    "1000", "gid": "1000", "ppid": "23187", "threads": "1", "size": "262144", "os": `{ "kernel": "4.4.6" }`,
		"uploaded.by": `"jane"`, "uploaded.host": `"desk"`,
		"boot": "", "rlimit": "", "truncated": "", "node": "", "platform": "", "container": "", "unit": "",
	})
	if at, err := time.Parse(time.RFC3339, doc.String("uploaded.at")); err != nil || time.Since(at) > time.Hour || at.Location() != time.UTC {
		t.Errorf("uploaded at %q, %v", doc.String("uploaded.at"), err)
	}
	doc = documentOf(t, local(t, "core", realCore(t, "lldb-linux-aarch64.core")), Options{})
	wantMembers(t, doc, map[string]string{"signal": `{ "name": "SIGSEGV", "number": 11, "code": 1, "codename": "SEGV_MAPERR", "address": "0x0" }`, "uid": "10174", "gid": "10000"})
	doc = documentOf(t, local(t, "core", realCore(t, "lldb-gcore-x86_64.core")), Options{})
	wantMembers(t, doc, map[string]string{"signal": "", "threads": "3", "exe": ""})
	doc = documentOf(t, local(t, "core", realCore(t, "lldb-freebsd-x86_64.core")), Options{})
	wantMembers(t, doc, map[string]string{"signal": `{ "name": "SIGSEGV", "number": 11 }`, "truncated": "true", "uid": "", "ppid": ""})
}

// TestFactsOfSystemdCoredump checks that everything that systemd-coredump says by the name and the
// attributes of a file is in the document, and that the dump's own signal counts.
func TestFactsOfSystemdCoredump(t *testing.T) {
	t.Parallel()
	path := local(t, "core.python3.1001.367b5c4b47f14e3aaa045fd2619f3098.77.1700000000500000", realCore(t, "lldb-gcore-x86_64.core"))
	for name, value := range map[string]string{"pid": "77", "uid": "1001", "gid": "100", "signal": "6", "timestamp": "1700000000500000",
		"rlimit": "1048576", "hostname": "db7", "comm": "python3", "exe": "/usr/bin/python3.11"} {
		if err := unix.Setxattr(path, "user.coredump."+name, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	wantMembers(t, documentOf(t, path, Options{}), map[string]string{
		"node": `"db7"`, "time": "1700000000.5", "exe": `"/usr/bin/python3.11"`, "uid": "1001", "gid": "100", "rlimit": "1048576",
		"boot": `"367b5c4b47f14e3aaa045fd2619f3098"`, "signal": `{ "name": "SIGABRT", "number": 6 }`, "pid": `"5669"`,
	})
	if err := os.WriteFile(path, realCore(t, "lldb-linux-x86_64.core"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantMembers(t, documentOf(t, path, Options{}), map[string]string{"signal.number": "11", "uid": "1001"})
}

// TestFactsOfTheJournal checks that the journal gives the unit and the container, and that the file's
// own attributes count before it.
func TestFactsOfTheJournal(t *testing.T) {
	t.Parallel()
	path := local(t, "core.a.0.367b5c4b47f14e3aaa045fd2619f3098.77.1700000000500000", realCore(t, "lldb-linux-x86_64.core"))
	if err := unix.Setxattr(path, "user.coredump.hostname", []byte("db7"), 0); err != nil {
		t.Fatal(err)
	}
	o := Options{journal: func(_ context.Context, base string) dump.Origin {
		if base != filepath.Base(path) {
			t.Errorf("asked for %s", base)
		}
		return dump.Origin{Node: "other", Unit: "shop.service", Container: "web", Source: "journal"}
	}}
	wantMembers(t, documentOf(t, path, o), map[string]string{"node": `"db7"`, "unit": `"shop.service"`, "container": `"web"`, "properties.source.node": `"xattr"`})
}

// TestJournalctl checks how the journal is asked, by a journalctl that prints what it is given.
func TestJournalctl(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\nprintf '%s\\n' \"$@\" >" + dir + "/args\ncat " + dir + "/out\n"
	if err := os.WriteFile(filepath.Join(dir, "journalctl"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	const base = "core.a.0.367b5c4b47f14e3aaa045fd2619f3098.77.1700000000500000.zst"
	for out, want := range map[string]dump.Origin{
		`{"_SYSTEMD_UNIT":"systemd-coredump@1-2-0.service","COREDUMP_UNIT":"shop.service","COREDUMP_EXE":[1,2]}`: {Unit: "shop.service", Source: "journal"},
		`{"COREDUMP_UNIT":"shop.service"}`: {}, "": {}, "no JSON": {}, "[]": {},
	} {
		if err := os.WriteFile(filepath.Join(dir, "out"), []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := journalOrigin(t.Context(), base); got != want {
			t.Errorf("%s: %+v", out, got)
		}
	}
	args, err := os.ReadFile(filepath.Join(dir, "args"))
	if err != nil || !strings.HasSuffix(string(args), "\nCOREDUMP_FILENAME=/var/lib/systemd/coredump/"+base+"\n") || strings.Contains(string(args), "ENVIRON") {
		t.Errorf("%s, %v", args, err)
	}
	os.Remove(filepath.Join(dir, "args"))
	if got := journalOrigin(t.Context(), "core.77"); got != (dump.Origin{}) {
		t.Errorf("%+v", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "args")); err == nil {
		t.Error("the journal was asked for a file of another name")
	}
}

// TestFactsOfThisMachine checks that the system of this machine is that of its own cores only.
func TestFactsOfThisMachine(t *testing.T) {
	t.Parallel()
	const boot = "367b5c4b47f14e3aaa045fd2619f3098"
	id, err := dump.ParseID(boot)
	if err != nil {
		t.Fatal(err)
	}
	here := host{os: "linux", machine: "x86_64", node: "here", platform: "Linux_6.1.0-28-amd64", kernel: "6.1.0-28-amd64", distribution: `Debian "12"`, bootID: id}
	o := Options{host: func() host { return here }}
	data := realCore(t, "lldb-linux-x86_64.core")
	wantMembers(t, documentOf(t, local(t, "core.a.0."+boot+".77.1700000000000000", data), o),
		map[string]string{"os": `{ "distribution": "Debian \"12\"", "kernel": "6.1.0-28-amd64" }`, "boot": `"` + boot + `"`, "node": `"here"`})
	wantMembers(t, documentOf(t, local(t, "core.a.0.0"+boot[1:]+".77.1700000000000000", data), o),
		map[string]string{"os": `{ "kernel": "5.5.13" }`, "boot": `"0` + boot[1:] + `"`, "node": ""})
}

func TestDistribution(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "os-release")
	if err := os.WriteFile(file, []byte("NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := distribution(filepath.Join(dir, "none"), file); got != "Debian GNU/Linux 12 (bookworm)" {
		t.Errorf("%q", got)
	}
	if got := distribution(filepath.Join(dir, "none")); got != "" {
		t.Errorf("%q", got)
	}
}

// TestRefresh checks that a document of the original gets the facts that it lacks, that what the
// dump alone decides is corrected, and that nothing else changes.
func TestRefresh(t *testing.T) {
	t.Parallel()
	data := realCore(t, "pyelftools-linux64.core")
	id, err := dump.Hash(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	const facts = `, "exe": "/home/max42/pyelftools/test/coredump_self", "buildid": "48fa69b60eae8348d586679eb6992f568bf70954"`
	const signal = `{ "name": "SIGABRT", "number": 6, "code": -6, "codename": "SI_TKILL", "pid": 23395, "uid": 1000 }`
	const rest = `, "uid": 1000, "gid": 1000, "ppid": 23187, "threads": 1, "size": 262144, "os": { "kernel": "4.4.6" }`
	const thoth = `"pid":"23395","psargs":"./coredump_self foo bar 42","type":"core"`
	for _, tt := range []struct {
		name, doc, want  string
		added, corrected int
	}{
		{"of the original", `{` + thoth + `, "time": 1.50}` + "\n", `{` + thoth + `, "time": 1.50` + facts + `, "signal": ` + signal + rest + "}\n", 9, 0},
		{"nothing is left to do", `{` + thoth + facts + `, "signal": ` + signal + rest + `}`, `{` + thoth + facts + `, "signal": ` + signal + rest + `}`, 0, 0},
		{"people's values", `{` + thoth + facts + `, "signal":"by hand", "os":"mine","ticket":"T","properties":{"signal":"x"}, "uid":0,"gid":0,"ppid":23187,"threads":1,"size":262144}`,
			`{` + thoth + facts + `, "signal":"by hand", "os":"mine","ticket":"T","properties":{"signal":"x"}, "uid":0,"gid":0,"ppid":23187,"threads":1,"size":262144}`, 0, 0},
		{"wrong", `{` + thoth + facts + `, "signal":{"name":"SIGSEGV","number":11,"address":"0x8","mine":1}, "uid":7,"gid":7,"ppid":1,"threads":2,"size":5,"os":{"kernel":"4.4.6-generic"},"truncated":true}`,
			`{` + thoth + facts + `, "signal":{"name":"SIGABRT","number":6,"mine":1,"code":-6,"codename":"SI_TKILL","pid":23395,"uid":1000}, "uid":7,"gid":7,"ppid":23187,"threads":1,"size":262144,"os":{"kernel":"4.4.6-generic"}}`, 4, 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mem.New()
			s.Set(infoKey(id), []byte(tt.doc))
			s.Set(id.String()+"/core", data)
			c := open(t, options(t, s))
			sync1(t, c)
			for _, dryRun := range []bool{true, false} {
				got, err := Refresh(t.Context(), c, id, bytes.NewReader(data), int64(len(data)), dryRun)
				if err != nil || len(got.Added) != tt.added || len(got.Corrected) != tt.corrected {
					t.Errorf("%+v, %v; want %d added, %d corrected", got, err, tt.added, tt.corrected)
				}
				want := tt.want
				if dryRun {
					want = tt.doc
				}
				if d, err := c.Dump(t.Context(), id); err != nil || string(d.Doc.Raw()) != want {
					t.Errorf("dry run %v: %s, %v, want %s", dryRun, d.Doc.Raw(), err, want)
				}
			}
			if got, err := Refresh(t.Context(), c, id, bytes.NewReader(data), int64(len(data)), false); err != nil || len(got.Added)+len(got.Corrected) > 0 {
				t.Errorf("again: %+v, %v", got, err)
			}
		})
	}
}

func TestRefreshRefuses(t *testing.T) {
	t.Parallel()
	data := realCore(t, "pyelftools-linux64.core")
	s := mem.New()
	other := dump.ID{1}
	s.Set(infoKey(other), info(other, "x", "", 1))
	c := open(t, options(t, s))
	sync1(t, c)
	if _, err := Refresh(t.Context(), c, other, bytes.NewReader(data), int64(len(data)), false); !errorsIs(err, ErrOtherDump) {
		t.Error(err)
	}
	if _, err := Refresh(t.Context(), c, other, strings.NewReader("no dump"), 7, false); err == nil {
		t.Error("no error")
	}
	id, err := dump.Hash(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	const broken = `{"cmd":"x"`
	s.Set(infoKey(id), []byte(broken+"\x00{{"))
	sync1(t, c)
	if _, err := Refresh(t.Context(), c, id, bytes.NewReader(data), int64(len(data)), false); err == nil {
		t.Error("a damaged document was edited")
	}
}

// TestUploadOfAFileWithoutItsNotes checks that a file that is cut before the notes that name its
// process is stored only if that is asked for, and one that is cut behind them always.
func TestUploadOfAFileWithoutItsNotes(t *testing.T) {
	t.Parallel()
	data := realCore(t, "lldb-linux-x86_64.core")
	c := open(t, options(t, mem.New()))
	path := local(t, "core", data[:100])
	if _, err := Upload(t.Context(), c, path, Options{}); !errorsIs(err, ErrTooShort) {
		t.Error(err)
	}
	wantCount(t, c, "", 0)
	if _, err := Upload(t.Context(), c, path, Options{Force: true}); err != nil {
		t.Error(err)
	}
	if _, err := Upload(t.Context(), c, local(t, "core.2", data[:20000]), Options{}); err != nil {
		t.Error(err)
	}
	wantCount(t, c, "truncated=true", 2)
}

// TestOptionsApplyToADumpThatIsThere checks that options edit the document of a dump that is in the
// corpus, and that Changed lists what they changed.
func TestOptionsApplyToADumpThatIsThere(t *testing.T) {
	t.Parallel()
	c := open(t, options(t, mem.New()))
	path := local(t, "core", realCore(t, "lldb-linux-x86_64.core"))
	if _, err := Upload(t.Context(), c, path, Options{Node: "a"}); err != nil {
		t.Fatal(err)
	}
	o := Options{Node: "b", Platform: "p", Time: time.Unix(5, 500e6), Ticket: "T", Set: []document.Edit{document.Set("properties.x", "1")}}
	for _, want := range []string{"node platform time properties.x ticket", ""} {
		res, err := Upload(t.Context(), c, path, o)
		if err != nil || res.State != Present || strings.Join(res.Changed, " ") != want {
			t.Errorf("%+v, %v, want %s", res, err, want)
		}
	}
	wantCount(t, c, "node=b platform=p ticket=T properties.x=1 properties.source.node=option properties.source.time=option", 1)
}

// TestRefreshCompletesPsargs checks that arguments that the original cut at a colon are completed,
// and others left alone.
func TestRefreshCompletesPsargs(t *testing.T) {
	t.Parallel()
	info := &dump.Info{Type: dump.Core, HasPID: true, PID: 7, Psargs: "node: worker: 3", Node: "n", Time: time.Unix(9, 0)}
	for doc, want := range map[string]string{
		`{"psargs":"node"}`:                 `{"psargs":"node: worker: 3","type":"core","node":"n","pid":"7","time":9}`,
		`{"psargs":"nod","pid":"8"}`:        `{"psargs":"nod","pid":"8","type":"core","node":"n","time":9}`,
		`{"psargs":null,"node":"m"}`:        `{"psargs":"node: worker: 3","node":"m","type":"core","pid":"7","time":9}`,
		`{"type":"crash","time":"1","a":1}`: `{"type":"crash","time":"1","a":1,"node":"n","pid":"7","psargs":"node: worker: 3"}`,
	} {
		raw, _, err := document.Parse([]byte(doc)).Apply(thothEdits(document.Parse([]byte(doc)), info)...)
		if err != nil || string(raw) != want {
			t.Errorf("%s: %s, %v, want %s", doc, raw, err, want)
		}
	}
}
