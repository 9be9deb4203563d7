package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"thothfs/store/manta/mantatest"
)

const linuxCore = "../../dump/testdata/cores/pyelftools-linux64.core"

// putReal writes a real core with a document as the original writes it, and returns its hash.
func (w *world) putReal(path, doc string) string {
	w.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		w.t.Fatal(err)
	}
	id := strings.TrimSpace(w.must("object", abs))
	w.put(id+"/core.1", string(data))
	w.put(id+"/info.json", doc)
	return id
}

// TestRefreshVerb checks that refresh adds the facts of a dump of the original, says what it
// changed, can be undone, and goes on after a dump that cannot be read.
func TestRefreshVerb(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const doc = "{\n\t\"pid\": \"23395\",\n\t\"cmd\": \"coredump_self\",\n\t\"psargs\": \"./coredump_self foo bar 42\",\n\t\"time\": 1.50,\n\t\"type\": \"core\",\n\t\"properties\": { \"a\":1 }\n}\n"
	id := w.putReal(linuxCore, doc)
	w.put(hash(1)+"/core.bad", "not a dump")
	w.put(hash(1)+"/info.json", `{"cmd":"bad","type":"core"}`)
	w.put(hash(2)+"/info.json", `{"cmd":"gone","type":"core","properties":{"purged":"true"}}`)
	file := filepath.Join(w.corpus, id, "info.json")
	read := func() string {
		t.Helper()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	want := id + " added exe buildid signal uid gid ppid threads size os\n"
	r := w.try("refresh", "--dry-run", "type=core")
	if r.code != 1 || r.stdout != want || !strings.Contains(r.stderr, hash(1)+": not a core or crash dump") ||
		!strings.Contains(r.stderr, "1 dump would be updated; 1 dump is purged, so that there is nothing to read; 1 of 3 failed") || read() != doc {
		t.Errorf("%+v\n%s", r, read())
	}
	if r := w.try("refresh", id); r.code != 0 || r.stdout != want || !strings.Contains(r.stderr, "1 dump updated") {
		t.Errorf("%+v", r)
	}
	if got := read(); !strings.HasPrefix(got, strings.TrimSuffix(doc, "\n}\n")+",\n\t\"exe\"") {
		t.Error(got)
	}
	if r := w.try("refresh", id); r.code != 0 || r.stdout != "" || !strings.Contains(r.stderr, "0 dumps updated") {
		t.Errorf("%+v", r)
	}
	for spec, n := range map[string]string{"signal=SIGABRT": "1", "signal.name=SIGA*": "1", "signal=SIGSEGV": "0", "size=262144": "1", "uid=1000": "1", "signal.number=6": "1",
		"exe=/home/max42/pyelftools/test/coredump_self": "1", "exe=*/coredump_self": "1", "size=undefined": "2"} {
		if got := strings.TrimSpace(w.must("report", spec)); got != n {
			t.Errorf("%s: %s dumps, want %s", spec, got, n)
		}
	}
	if got := w.must("report", "signal"); got != "{\n    \"SIGABRT\": 1\n}\n" {
		t.Error(got)
	}
	if got := w.must("ls", id, "signal", "size"); !regexp.MustCompile(`SIGABRT +262144\n$`).MatchString(got) {
		t.Error(got)
	}
	w.must("undo", "--since", "1h", id)
	if read() != doc {
		t.Errorf("after undo: %s", read())
	}
}

// TestRefreshReadsLittle checks that refresh fetches the headers and a few pages of a dump.
func TestRefreshReadsLittle(t *testing.T) {
	t.Parallel()
	w, srv := newMantaWorld(t, 0)
	data, err := os.ReadFile(linuxCore)
	if err != nil {
		t.Fatal(err)
	}
	w.write("core.1", append(data, bytes.Repeat([]byte("x"), 20<<20)...))
	id := firstWord(w.must("upload", "--no-stack", "core.1"))
	var requests, fetched atomic.Int64
	srv.Fault(mantatest.On{Match: func(r *http.Request) bool {
		var first, last int64
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last); err == nil && strings.HasSuffix(r.URL.Path, "/core.1") {
			requests.Add(1)
			fetched.Add(last - first + 1)
		}
		return false
	}})
	if got := w.must("refresh", id); got != "" {
		t.Error(got)
	}
	if n, size := requests.Load(), fetched.Load(); n == 0 || n > 8 || size > 1<<20 {
		t.Errorf("%d requests for %d bytes", n, size)
	}
	w.must("refresh", id)
	if n := requests.Load(); n > 8 {
		t.Errorf("%d requests with the cache", n)
	}
}

// TestFactsInTheMount checks the views and the attributes of the facts.
func TestFactsInTheMount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := firstWord(w.must("upload", "--no-stack", shippedCore(t, "pyelftools-linux64.core")))
	w.mount()
	waitFor(t, "the first sync", func() bool { return strings.Contains(w.sh("ls mnt/by-hash"), id) })
	for script, want := range map[string]string{
		"ls mnt/by-signal": "SIGABRT", "ls mnt/by-signal/SIGABRT": id, "ls mnt/by-exe": "%2Fhome%2Fmax42%2Fpyelftools%2Ftest%2Fcoredump_self",
		"ls mnt/by-exe/*": id, "ls mnt/query/signal=SIGABRT": id, "ls mnt/by-signal/SIGABRT/uid=1000": id,
		"getfattr --only-values -n user.thoth.signal.name mnt/by-hash/" + id: "SIGABRT",
		"getfattr --only-values -n user.thoth.exe mnt/by-hash/" + id:         "/home/max42/pyelftools/test/coredump_self",
		"getfattr --only-values -n user.thoth.size mnt/by-hash/" + id:        "262144",
	} {
		if got := strings.TrimSpace(w.sh(script)); got != want {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}
	if r := w.trySh("setfattr -n user.thoth.signal.name -v SIGSEGV mnt/by-hash/" + id); r.code == 0 {
		t.Error("a fact could be set")
	}
}

func shippedCore(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs("../../dump/testdata/cores/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestUploadFlagsOfADumpThatIsThere checks that flags apply to a dump that is there, and that the
// message says so.
func TestUploadFlagsOfADumpThatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	core := shippedCore(t, "pyelftools-linux64.core")
	w.must("upload", "--no-stack", core)
	r := w.try("upload", "--no-stack", "--node=db7", "--ticket=OS-1", "--set=a=b", core)
	if r.code != 0 || !strings.Contains(r.stderr, "is already there; set node, properties.a, ticket\n") {
		t.Errorf("%+v", r)
	}
	if got := strings.TrimSpace(w.must("report", "node=db7", "ticket=OS-1", "properties.a=b")); got != "1" {
		t.Error(got)
	}
	if r := w.try("upload", "--no-stack", "--node=db7", core); r.code != 0 || strings.Contains(r.stderr, "set") {
		t.Errorf("%+v", r)
	}
}

func TestUploadOfAUselessFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	data, err := os.ReadFile(linuxCore)
	if err != nil {
		t.Fatal(err)
	}
	w.write("short", data[:100])
	if r := w.try("upload", "short"); r.code != 1 || !strings.Contains(r.stderr, "it has 100 bytes of at least 1128; --force stores it anyway") || r.stdout != "" {
		t.Errorf("%+v", r)
	}
	if r := w.try("upload", "--force", "--no-stack", "short"); r.code != 0 || !strings.Contains(r.stderr, "is truncated") {
		t.Errorf("%+v", r)
	}
}
