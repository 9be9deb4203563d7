package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// crashBuild is a way to build the programs in testdata/crash.
type crashBuild struct {
	name    string
	flags   []string // flags for gcc
	goFlags []string
	rust    []string
}

// crashBuilds contains two builds for each optimization level, like two releases.
var crashBuilds = []crashBuild{
	{"O0", []string{"-O0"}, []string{"-gcflags=-N -l"}, []string{"-C", "opt-level=0"}},
	{"O2", []string{"-O2"}, nil, []string{"-C", "opt-level=2"}},
	{"O0-padded", []string{"-O0", "-DPAD=100000"}, []string{"-gcflags=-N -l", "-ldflags=-X main.pad=1"}, []string{"-C", "opt-level=0", "-C", "codegen-units=1"}},
	{"O2-padded", []string{"-O2", "-DPAD=100000"}, []string{"-ldflags=-X main.pad=1"}, []string{"-C", "opt-level=2", "-C", "codegen-units=1"}},
}

// crashBug is a bug and how to trigger it. Entries with the same name are the same bug.
type crashBug struct{ name, program, args, class string }

var crashBugs = []crashBug{
	{"add of checkout", "checkout", "", "abort"},
	{"add of ledger", "ledger", "", "memory"},
	{"get", "server", "get", "memory"},
	{"get", "server", "get-reported", "memory"},
	{"get", "server", "get-info", "memory"},
	{"put", "server", "put", "memory"},
	{"thread", "server", "thread", "memory"},
	{"get of client", "client", "", "memory"},
	{"greet", "server", "greet", "memory/libc"},
	{"draw", "server", "draw", "memory/libc"},
	{"load", "server", "load", "abort/assert"},
	{"store", "server", "store", "abort/assert"},
	{"reload", "server", "reload", "abort"},
	{"descend", "server", "descend DEPTH", "memory/overflow"},
	{"ping", "server", "ping DEPTH", "memory/overflow"},
	{"walk", "server", "walk DEPTH", "memory"},
	{"release", "server", "release", "abort/heap"},
	{"ratio", "server", "ratio", "arithmetic"},
	{"collect", "server", "collect", "watchdog"},
	{"drain", "server", "drain", "watchdog/libc"},
	{"tick", "server", "tick DEPTH", "memory"},
	{"dispatch", "server", "dispatch", "memory"},
	{"pick", "server", "pick", "illegal"},
	{"shape", "sketch", "", "memory"},
	{"shape", "print", "", "memory"},
	{"sell", "till", "sell", "abort/exception"},
	{"undo", "till", "undo", "abort/exception"},
	{"peek", "till", "peek", "memory"},
	{"nil of Go", "relay", "nil", "abort/fault"},
	{"map of Go", "relay", "map", "abort/map"},
	{"index of Go", "relay", "index", "abort/bounds"},
	{"unwrap of Rust", "probe", "unwrap", "abort/unwrap"},
	{"bounds of Rust", "probe", "bounds", "abort/bounds"},
	{"pack of Python", "pack.so", "pack", "memory"},
	{"unpack of Python", "pack.so", "unpack", "memory"},
}

// crashPrograms builds the programs in testdata/crash below dir, and returns the names of those
// that cannot be built here.
func crashPrograms(t *testing.T, dir string) (absent []string) {
	t.Helper()
	need(t, "gcc", "g++", "go")
	src, err := filepath.Abs("testdata/crash")
	if err != nil {
		t.Fatal(err)
	}
	include, suffix := pythonExtension()
	if include == "" {
		absent = append(absent, "pack.so")
	}
	if _, err := exec.LookPath("rustc"); err != nil {
		absent = append(absent, "probe")
	}
	var building errgroup.Group
	building.SetLimit(runtime.GOMAXPROCS(0))
	for i, b := range crashBuilds {
		out := filepath.Join(dir, b.name)
		if err := os.Mkdir(out, 0o755); err != nil {
			t.Fatal(err)
		}
		c := &crashCompiler{group: &building, src: src, out: out, flags: b.flags}
		soname := fmt.Sprintf("libshape.so.%d", i)
		if err := c.run(c.gcc("gcc", "shape.c", soname, "-shared", "-fPIC", "-Wl,-soname,"+soname)...); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"sketch", "print"} {
			c.start(c.gcc("gcc", name+".c", name, filepath.Join(out, soname), "-Wl,-rpath,"+out)...)
		}
		for _, name := range []string{"server", "client", "ledger"} {
			c.start(c.gcc("gcc", name+".c", name)...)
		}
		for _, name := range []string{"checkout", "till"} {
			c.start(c.gcc("g++", name+".cc", name)...)
		}
		c.start(append(append([]string{"go", "build", "-o", filepath.Join(out, "relay")}, b.goFlags...), "relay.go")...)
		if !slices.Contains(absent, "probe") {
			c.start(append(append([]string{"rustc", "-g", "-C", "panic=abort"}, b.rust...), "-o", filepath.Join(out, "probe"), "probe.rs")...)
		}
		if include != "" {
			names := []string{"pack.so", "pack" + suffix}
			c.start(c.gcc("gcc", "pack.c", names[i%2], "-shared", "-fPIC", "-I"+include)...)
		}
	}
	if err := building.Wait(); err != nil {
		t.Fatal(err)
	}
	return absent
}

// crashCompiler compiles sources in the directory src into out.
type crashCompiler struct {
	group    *errgroup.Group
	src, out string
	flags    []string
}

func (c *crashCompiler) gcc(name, source, output string, more ...string) []string {
	argv := append([]string{name, "-g", "-w", "-pthread", "-Wl,--build-id", "-o", filepath.Join(c.out, output), source}, c.flags...)
	return append(argv, more...)
}

func (c *crashCompiler) start(argv ...string) {
	c.group.Go(func() error { return c.run(argv...) })
}

func (c *crashCompiler) run(argv ...string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = c.src, append(os.Environ(), "CGO_ENABLED=0", "GO111MODULE=off")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", argv, err, text)
	}
	return nil
}

// pythonExtension returns the directory of Python's headers, or "", and the file name suffix of
// Python extensions.
func pythonExtension() (include, suffix string) {
	const ask = `import sysconfig; print(sysconfig.get_paths()["include"], sysconfig.get_config_var("EXT_SUFFIX"))`
	out, err := exec.Command("python3", "-c", ask).Output()
	if err != nil {
		return "", ""
	}
	include, suffix, _ = strings.Cut(strings.TrimSpace(string(out)), " ")
	if _, err := os.Stat(filepath.Join(include, "Python.h")); err != nil {
		return "", ""
	}
	return include, suffix
}

// crash is a core together with its bug and build.
type crash struct {
	bug   crashBug
	build int
	core  string
	id    string
	of    string // properties.signature_of
}

// signed holds the properties set by the analyzer signature.
type signed struct {
	Signature string
	Of        string `json:"signature_of"`
	Rule      int    `json:"signature_rule"`
	Class     string `json:"signature_class"`
	Program   string `json:"signature_program"`
}

// signatureOf reads these properties from a dump's info.json.
func (w *world) signatureOf(id string) (s signed) {
	w.t.Helper()
	raw, err := os.ReadFile(filepath.Join(w.corpus, id, "info.json"))
	if err == nil {
		err = json.Unmarshal(raw, &struct{ Properties *signed }{&s})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// crashesOf triggers all bugs in the programs below dir.
func crashesOf(t *testing.T, dir string, absent []string) (crashes []*crash) {
	t.Helper()
	var dying errgroup.Group
	dying.SetLimit(2 * runtime.GOMAXPROCS(0))
	for n, bug := range crashBugs {
		if slices.Contains(absent, bug.program) {
			continue
		}
		for i, b := range crashBuilds {
			c := &crash{bug: bug, build: i}
			crashes = append(crashes, c)
			argv := []string{filepath.Join(dir, b.name, bug.program)}
			argv = append(argv, strings.Fields(strings.ReplaceAll(bug.args, "DEPTH", fmt.Sprint(i)))...)
			env := []string{"GOTRACEBACK=crash"}
			if bug.program == "pack.so" {
				env = append(env, "PYTHONPATH="+filepath.Join(dir, b.name))
				argv = []string{"python3", "-c", "import pack; pack." + bug.args + "()"}
			}
			here := filepath.Join(dir, fmt.Sprintf("core-%d-%d", n, i))
			dying.Go(func() (err error) {
				if err = os.Mkdir(here, 0o755); err == nil {
					c.core, err = leaveCore(here, env, argv...)
				}
				return err
			})
		}
	}
	if err := dying.Wait(); err != nil {
		t.Fatal(err)
	}
	return crashes
}

// TestSignaturesOfManyPrograms crashes small programs in several languages with each bug, in four
// builds. No two bugs may have the same signature, and nearly all builds with the same bug must.
func TestSignaturesOfManyPrograms(t *testing.T) {
	t.Parallel()
	w := newDebugWorld(t)
	dir := t.TempDir()
	absent := crashPrograms(t, dir)
	for _, name := range absent {
		t.Logf("%s is not built: rustc, or the headers of Python, are not here", name)
	}
	crashes := crashesOf(t, dir, absent)
	w.uploadCrashes(crashes)
	w.must("analyze", "type=core", "signature")
	owner, bugs := map[string]string{}, map[string]int{}
	for _, c := range crashes {
		p := w.signatureOf(c.id)
		if len(p.Signature) != 16 || p.Rule != 2 {
			t.Fatalf("%v: %+v", c, p)
		}
		if was, ok := owner[p.Signature]; ok && was != c.bug.name {
			t.Errorf("%s and %s share the signature of %s", was, c.bug.name, p.Of)
		}
		if owner[p.Signature] = c.bug.name; !strings.HasPrefix(p.Of, c.bug.class+" ") {
			t.Errorf("%s (%s): %s, want %s", c.bug.name, crashBuilds[c.build].name, p.Of, c.bug.class)
		}
		bugs[c.bug.name]++
		c.of = p.Of
	}
	joined, pairs := 0, 0
	for i, a := range crashes {
		for _, b := range crashes[:i] {
			if a.bug.name != b.bug.name {
				continue
			}
			if pairs++; a.of == b.of {
				joined++
			} else {
				t.Logf("%s: %s (%s), %s (%s)", a.bug.name, a.of, crashBuilds[a.build].name, b.of, crashBuilds[b.build].name)
			}
		}
	}
	t.Logf("%d crashes of %d bugs: %d of %d pairs of one bug share a signature", len(crashes), len(bugs), joined, pairs)
	if joined*10 < pairs*9 {
		t.Errorf("only %d of %d pairs of one bug share a signature", joined, pairs)
	}
	w.duplicatesAgree(crashes)
	w.elfutilsAgree(crashes)
}

// uploadCrashes uploads the cores, every other one without its stack.
func (w *world) uploadCrashes(crashes []*crash) {
	w.t.Helper()
	for part, flags := range [][]string{{"--no-stack"}, nil} {
		args := append([]string{"upload"}, flags...)
		var these []*crash
		for i, c := range crashes {
			if i/2%2 == part {
				these, args = append(these, c), append(args, c.core)
			}
		}
		ids := firstWords(w.must(args...))
		if len(ids) != len(these) {
			w.t.Fatalf("%d of %d cores were uploaded", len(ids), len(these))
		}
		for i, c := range these {
			c.id = ids[i]
		}
	}
}

// duplicatesAgree checks that the results of the analyzer duplicate match the signatures.
func (w *world) duplicatesAgree(crashes []*crash) {
	w.t.Helper()
	one := func(bug, program string, build int) string {
		for _, c := range crashes {
			if c.bug.name == bug && c.bug.program == program && c.build == build {
				return c.id
			}
		}
		w.t.Fatalf("no %s of %s", bug, program)
		return ""
	}
	w.must("ticket", one("add of checkout", "checkout", 0), "OS-7")
	w.must("ticket", one("shape", "sketch", 0), "OS-8")
	for _, c := range []struct{ id, ticket, says string }{
		{one("add of checkout", "checkout", 1), "OS-7", "as " + one("add of checkout", "checkout", 0)},
		{one("add of ledger", "ledger", 0), "", "no dump with the signature"},
		{one("shape", "sketch", 1), "OS-8", "as " + one("shape", "sketch", 0)},
		{one("shape", "print", 0), "", "of another rule, program or class of signal"},
	} {
		out := w.must("analyze", c.id, "duplicate")
		if got := w.property(c.id, "ticket"); got != c.ticket || !strings.Contains(out, c.says) {
			w.t.Errorf("%s: ticket %q, want %q\n%s", w.signatureOf(c.id).Of, got, c.ticket, out)
		}
	}
}

// elfutilsAgree checks that eu-stack leads to the same signatures as gdb.
func (w *world) elfutilsAgree(crashes []*crash) {
	w.t.Helper()
	need(w.t, "eu-stack")
	w.withoutGDB()
	for _, c := range crashes {
		if c.bug.program != "server" || c.build != 1 || c.bug.name == "dispatch" {
			continue // eu-stack does not find the caller of an address that is not code
		}
		info := filepath.Join(w.dir, "eu.json")
		if err := os.WriteFile(info, []byte("{}"), 0o600); err != nil {
			w.t.Fatal(err)
		}
		if out := w.must("document", "signature", c.core, info, ""); !strings.HasSuffix(out, " "+c.of+"\n") {
			w.t.Errorf("%s: by eu-stack %s, by gdb %s", c.bug.name, out, c.of)
		}
	}
}

// withoutGDB hides gdb from later commands.
func (w *world) withoutGDB() {
	w.t.Helper()
	w.sh(`mkdir -p nogdb; ln -sf /usr/bin/* /bin/* nogdb/ 2>/dev/null; rm -f nogdb/*gdb*; true`)
	w.setenv("PATH=" + filepath.Join(w.dir, "nogdb"))
}
