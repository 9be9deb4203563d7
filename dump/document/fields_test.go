package document

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var newCore = Fields{
	Name: "/thoth/stor/thoth/6433c1ccfb41929dedf3257a8d9160ea",
	Dump: "/thoth/stor/thoth/6433c1ccfb41929dedf3257a8d9160ea/core.svc.startd.70377",
	PID:  "70377", Cmd: "svc.startd", Psargs: `sh -c "echo \n"`, Platform: "joyent_20130625T221319Z", Node: "headnode",
	Time: time.Unix(1373566304, 120e6), Stack: []string{"main+0x1()", "_start()"}, Type: "core",
}

func TestNewDocument(t *testing.T) {
	const want = `{
	"name": "/thoth/stor/thoth/6433c1ccfb41929dedf3257a8d9160ea",
	"dump": "/thoth/stor/thoth/6433c1ccfb41929dedf3257a8d9160ea/core.svc.startd.70377",
	"pid": "70377",
	"cmd": "svc.startd",
	"psargs": "sh -c \"echo \\n\"",
	"platform": "joyent_20130625T221319Z",
	"node": "headnode",
	"version": "1",
	"time": 1373566304.12,
	"stack": [ "main+0x1()", "_start()" ],
	"type": "core",
	"properties": {}
}
`
	if got := string(Marshal(newCore)); got != want {
		t.Errorf("got %s", got)
	}
}

func TestNewDocumentCrash(t *testing.T) {
	const want = `{
	"name": "/a/stor/thoth/x",
	"version": "1",
	"time": 1373566304,
	"stack": [],
	"type": "crash",
	"ticket": "OS-1",
	"properties": {
		"panicstring": "BAD TRAP",
		"uuid": "1-2"
	}
}
`
	got := string(Marshal(Fields{Name: "/a/stor/thoth/x", PID: "1", Cmd: "x", Psargs: "x", Type: "crash",
		Time: time.Unix(1373566304, 999), Ticket: "OS-1", Stack: []string{},
		Properties: map[string]string{"uuid": "1-2", "panicstring": "BAD TRAP"}}))
	if got != want {
		t.Errorf("got %s", got)
	}
}

func TestNewDocumentTime(t *testing.T) {
	for want, at := range map[string]time.Time{
		"0": time.Unix(0, 0), "-1.5": time.Unix(-2, 500e6), "-0.001": time.Unix(-1, 999e6), "1.05": time.Unix(1, 50e6), "": {},
	} {
		if got := Parse(Marshal(Fields{Time: at})).String("time"); got != want {
			t.Errorf("%v: got %s, want %s", at, got, want)
		}
	}
}

// FuzzNewDocument checks that the document is valid and contains the values of the fields,
// whatever they are.
func FuzzNewDocument(f *testing.F) {
	f.Add("a\"\\\n\x00\x1b\u0085\u2028</é\xff", "properties.x")
	f.Fuzz(func(t *testing.T, s, key string) {
		raw := Marshal(Fields{Name: s, Psargs: s, Node: s, Stack: []string{s}, Type: "core",
			Properties: map[string]string{key: s}})
		d := Parse(raw)
		if d.Damage() != "" || !json.Valid(raw) || !utf8.Valid(raw) || strings.ContainsAny(string(raw), "\x00\x1b\x7f") {
			t.Fatalf("%q: %s", raw, d.Damage())
		}
		want := strings.ToValidUTF8(s, "\ufffd")
		if utf8.ValidString(s) && (d.String("psargs") != want || d.Stack()[0] != want || d.String("properties."+key) != want && utf8.ValidString(key)) {
			t.Fatalf("got %q, want %q", d.String("psargs"), want)
		}
	})
}

// TestNewDocumentJSONTool checks that new documents can be read by the json(1) that users and
// analyzers of Thoth run.
func TestNewDocumentJSONTool(t *testing.T) {
	tool := jsonTool(t)
	run := func(stdin string, args ...string) string {
		t.Helper()
		cmd := exec.Command("node", append([]string{tool}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("json %q: %v: %s", args, err, out)
		}
		return string(out)
	}
	utmpd := newCore
	utmpd.Name, utmpd.Cmd, utmpd.Psargs = "/t/stor/thoth/2", "utmpd", "a\tb\u2028\x00é\xff\u009b"
	one, two := string(Marshal(newCore)), string(Marshal(utmpd))
	for _, c := range []struct {
		stdin, want string
		args        []string
	}{
		{one, "svc.startd\n", []string{"cmd"}},
		{one, "sh -c \"echo \\n\"\n", []string{"psargs"}},
		{one, "main+0x1()\n", []string{"stack.0"}},
		{one + two, "70377 svc.startd 1373566304.12\n70377 utmpd 1373566304.12\n", []string{"-ga", "pid", "cmd", "time"}},
		{one + two, "/t/stor/thoth/2\n", []string{"-g", "-c", `this.cmd=="utmpd"`, "-a", "name"}},
		{two, "a\tb\u2028\x00é\ufffd\u009b\n", []string{"psargs"}},
		{one + `{"properties":{"triage":"bmc"}}`, "bmc\n", []string{"--deep-merge", "properties.triage"}},
	} {
		if got := run(c.stdin, c.args...); got != c.want {
			t.Errorf("json %q: got %q, want %q", c.args, got, c.want)
		}
	}
	path := filepath.Join(t.TempDir(), "info.json")
	if err := os.WriteFile(path, []byte(one), 0o600); err != nil {
		t.Fatal(err)
	}
	run("", "-I", "-e", `this.properties.triage="bmc"`, "-f", path)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := Parse(raw); d.String("properties.triage") != "bmc" || d.String("psargs") != newCore.Psargs || d.Damage() != "" {
		t.Errorf("edited in place: got %s", raw)
	}
}

// jsonTool returns the script of npm's json, version 11, and installs it first if necessary.
// Without it the test is skipped, or fails if CI is set.
func jsonTool(t *testing.T) string {
	t.Helper()
	giveUp := t.Skipf
	if os.Getenv("CI") == "true" {
		giveUp = t.Fatalf
	}
	dir := os.Getenv("THOTHFS_TEST_TOOLS")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			giveUp("no place for tools: %v", err)
		}
		dir = filepath.Join(cache, "thothfs-test")
	}
	if _, err := exec.LookPath("node"); err != nil {
		giveUp("node, which npm's json needs, is not installed")
	}
	script := filepath.Join(dir, "node_modules", "json", "lib", "json.js")
	if _, err := os.Stat(script); err == nil {
		return script
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		giveUp("no place for tools: %v", err)
	}
	out, err := exec.Command("npm", "install", "--silent", "--no-save", "--no-audit", "--no-fund", "--prefix", dir, "json@11").CombinedOutput()
	if err != nil {
		giveUp("npm's json is not there and cannot be installed: %v: %s", err, out)
	}
	return script
}
