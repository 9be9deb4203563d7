package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func (w *world) status(mountpoints ...string) (s status) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(w.must(append([]string{"status", "-o", "json"}, mountpoints...)...)), &s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// mountAt returns the status of the mount at a mountpoint.
func (s status) mountAt(mountpoint string) (m mountStatus) {
	for _, m := range s.Mounts {
		if m.Mountpoint == mountpoint {
			return m
		}
	}
	return m
}

// TestStatus checks store, catalogue, cache and mounts, with a store that goes away, a mount that hangs and
// one whose process is killed.
func TestStatus(t *testing.T) {
	t.Parallel()
	w, srv := newMantaWorld(t, 0)
	link := w.cutable(srv.URL)
	if s := w.status(); s.Catalogue.AsOf != nil || s.Catalogue.Dumps != 0 || s.Store.Name != "manta:/alice/stor/thoth" {
		t.Errorf("before the first upload: %+v", s)
	}
	w.must("upload", "--no-stack", shippedCores(t)[0])
	w.must("ls")
	w.mount("-o", "ro")
	s := w.status(w.mnt) // other tests have mounts, too
	if !s.Store.Reachable || s.Store.Error != "" || s.Catalogue.Dumps != 1 || !s.Catalogue.Complete || s.Catalogue.AsOf == nil || time.Since(*s.Catalogue.AsOf) > time.Hour {
		t.Errorf("%+v", s)
	}
	if s.Cache.Dir != filepath.Join(w.dir, "cache") || s.Cache.Limit == 0 {
		t.Errorf("cache: %+v", s.Cache)
	}
	if m := s.mountAt(w.mnt); m.State != mountServes || m.PID != w.pid() || !m.ReadOnly || m.Private || m.Store != s.Store.Name || m.CacheDir != s.Cache.Dir || m.Version != s.Version {
		t.Errorf("mount: %+v", m)
	}
	if text := w.must("status", w.mnt); !strings.Contains(text, "reachable (") || !strings.Contains(text, "1 dump, as of ") || !strings.Contains(text, w.mnt+": manta:/alice/stor/thoth, ok, pid ") {
		t.Errorf("as text:\n%s", text)
	}
	link.refuse()
	pid := w.pid()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s = w.status(w.mnt)
	if s.Store.Reachable || !strings.Contains(s.Store.Error, "refused") || s.Catalogue.Dumps != 1 {
		t.Errorf("while the store is unreachable: %+v", s)
	}
	if m := s.mountAt(w.mnt); m.State != mountSilent || m.Store != "manta:/alice/stor/thoth" {
		t.Errorf("a mount that hangs: %+v", m)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the mount to be dead", func() bool { return w.status(w.mnt).mountAt(w.mnt).State == mountDead })
	if r := w.try("status", w.dir); r.code != exitFailure || !strings.Contains(r.stderr, "is not mounted by thothfs") {
		t.Errorf("%+v", r)
	}
}

// TestCacheCleanAndDu fills the cache, and cleans it while a mount has a dump open.
func TestCacheCleanAndDu(t *testing.T) {
	t.Parallel()
	w, _ := newMantaWorld(t, 0)
	cores := shippedCores(t)
	var ids []string
	for _, core := range cores[:3] {
		ids = append(ids, firstWord(w.must("upload", "--no-stack", core)))
	}
	w.must("warm", "--all", "id=*")
	du := func() (u cacheUsage) {
		t.Helper()
		if err := json.Unmarshal([]byte(w.must("cache", "du", "-o", "json")), &u); err != nil {
			t.Fatal(err)
		}
		return u
	}
	if u := du(); u.Versions != 3 || u.Used == 0 || u.Catalogue == 0 || u.Limit == 0 {
		t.Errorf("%+v", u)
	}
	if text := w.must("cache", "du"); !strings.Contains(text, "(3 objects)") {
		t.Errorf("%s", text)
	}
	for _, args := range [][]string{{}, {"--all", ids[0]}, {"--all", "--older-than", "1d"}} {
		if r := w.try(append([]string{"cache", "clean"}, args...)...); r.code != exitUsage {
			t.Errorf("clean %v: %+v", args, r)
		}
	}
	if r := w.try("cache", "frob"); r.code != exitUsage || !strings.Contains(r.stderr, "cache du or cache clean") {
		t.Errorf("%+v", r)
	}
	if r := w.try("cache", "clean", "--older-than", "1d"); r.code != 0 || !strings.Contains(r.stderr, "0 objects removed") {
		t.Errorf("%+v", r)
	}
	if r := w.try("cache", "clean", ids[0]); r.code != 0 || !strings.Contains(r.stderr, "1 object removed") {
		t.Errorf("%+v", r)
	}
	w.mount()
	f, err := os.Open(filepath.Join(w.mnt, "by-hash", ids[1], "dump"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(make([]byte, 4096), 0); err != nil {
		t.Fatal(err)
	}
	if r := w.try("cache", "clean", "--all"); r.code != 0 || !strings.Contains(r.stderr, "1 object removed") || !strings.Contains(r.stderr, "1 in use and left") {
		t.Errorf("%+v", r)
	}
	if u := du(); u.Versions != 1 {
		t.Errorf("%+v", u)
	}
}

// TestAnalyzersListsTheBuiltInOnes lists the analyzers of the corpus and of the program, and prints both.
func TestAnalyzersListsTheBuiltInOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("analyzers/greet", "# greet: says hello.\necho hello\n")
	w.put("analyzers/stack", "# ours\n")
	got := w.must("analyzers")
	for _, want := range []string{"NAME ", "greet        corpus    says hello\n", "stack        corpus    ours\n", "stack        built in  (run it as builtin:stack) ", "signature    built in  a stable name "} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if got := w.must("analyzers", "-q"); got != "greet\nstack\n" {
		t.Errorf("-q: %q", got)
	}
	if got := w.must("analyzer", "--show", "stack"); got != "# ours\n" {
		t.Errorf("--show: %q", got)
	}
	if got := w.must("analyzer", "--show", "builtin:stack"); !strings.Contains(got, "# stack: the stack of the thread that died") {
		t.Errorf("--show: %q", got)
	}
	if r := w.try("analyzer", "--show", "nosuch"); r.code != 1 || !strings.Contains(r.stderr, `there is no analyzer "nosuch"`) {
		t.Errorf("%+v", r)
	}
}
