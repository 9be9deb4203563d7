package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thothfs/dump/dumptest"
)

func TestGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	core := dumptest.Kdump{Pages: 60, Zeros: 3}.Build()
	w.write("vmcore.1", core)
	id := firstWord(w.must("upload", "vmcore.1"))
	w.sh("mkdir out")
	if got := w.must("get", id[:8], "-o", "out"); got != "out/vmcore.1\n" {
		t.Error(got)
	}
	w.sh("cmp vmcore.1 out/vmcore.1; test $(stat -c %a out/vmcore.1) = 600; test $(ls -A out) = vmcore.1")
	for args, want := range map[string]struct {
		code   int
		stderr string
	}{
		id:                   {1, "vmcore.1 exists; give another name with -o, or --force to replace it"},
		id + " -o /dev/null": {2, "is not a regular file"},
		id + " -o absent/":   {1, "absent/: no such directory"},
		"abcdef0123":         {3, "not in the corpus"},
		"":                   {2, "usage: thothfs get DUMP"},
	} {
		if r := w.try(append([]string{"get"}, strings.Fields(args)...)...); r.code != want.code || !strings.Contains(r.stderr, want.stderr) || r.stdout != "" {
			t.Errorf("get %s: %+v", args, r)
		}
	}
	w.write("vmcore.1", []byte("other"))
	if r := w.try("get", id, "--force"); r.code != 0 || r.stdout != "vmcore.1\n" {
		t.Errorf("%+v", r)
	}
	w.sh("cmp vmcore.1 out/vmcore.1")
	if got := w.must("get", id, "-o", "-"); got != string(core) {
		t.Errorf("%d bytes on standard output", len(got))
	}
	// What does not have the hash of its directory is no copy of the dump.
	path := filepath.Join(w.corpus, id, "vmcore.1")
	if err := os.WriteFile(path, dumptest.Vmdump("other", 100), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := w.try("get", id, "-o", "wrong"); r.code != 1 || !strings.Contains(r.stderr, "its content has the hash") {
		t.Errorf("%+v", r)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if r := w.try("get", id, "-o", "wrong"); r.code != 3 || !strings.Contains(r.stderr, "only the info.json") {
		t.Errorf("%+v", r)
	}
	w.sh("! ls -A | grep -e wrong -e thothfs-get")
}

func TestGetToTheTerminal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("vmcore", dumptest.Kdump{Pages: 60}.Build())
	id := firstWord(w.must("upload", "vmcore"))
	term := onTerminal(t, w.command("get", id, "-o", "-"))
	term.expect("standard output is a terminal")
	if code := term.code(); code != 2 {
		t.Errorf("exit %d:\n%s", code, term.text())
	}
}

// TestGetAfterKill checks that get continues after kill -9, and that what is complete in the cache is
// not fetched.
func TestGetAfterKill(t *testing.T) {
	t.Parallel()
	w, srv := newMantaWorld(t, 0)
	core := dumptest.Vmdump("n", 40<<20)
	for i := 1 << 20; i < len(core); i += 512 {
		core[i] = byte(i >> 9) // no holes
	}
	w.write("vmdump.0", core)
	id := firstWord(w.must("upload", "vmdump.0"))
	srv.SetBandwidth(16 << 20)
	cmd := w.command("get", id, "-o", "copy")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	part := func() int64 {
		all, _ := filepath.Glob(filepath.Join(w.dir, ".thothfs-get-*"))
		for _, path := range all {
			if fi, err := os.Stat(path); err == nil && !strings.HasSuffix(path, ".json") {
				return fi.Size()
			}
		}
		return 0
	}
	waitFor(t, "a quarter is there", func() bool { return part() > int64(len(core))/4 })
	cmd.Process.Kill()
	cmd.Wait()
	had := part()
	srv.SetBandwidth(0)
	srv.ResetCounters()
	w.must("get", id, "-o", "copy")
	w.sh("cmp vmdump.0 copy; ! ls -A | grep thothfs-get")
	if n := srv.Counters().BodyBytes; n > int64(len(core))-had+1<<20 {
		t.Errorf("%d bytes were fetched, though %d of %d were there", n, had, len(core))
	}
	w.must("warm", "--all", id)
	srv.ResetCounters()
	if got := w.must("get", id, "-o", "-"); !bytes.Equal([]byte(got), core) {
		t.Error("not the dump from the cache")
	}
	if n := srv.Counters().BodyBytes; n > 1<<20 {
		t.Errorf("%d bytes were fetched, though all were in the cache", n)
	}
}

// TestGetOfASparseDump checks that zeros are not fetched.
func TestGetOfASparseDump(t *testing.T) {
	t.Parallel()
	w, srv := newMantaWorld(t, 0)
	core := dumptest.Vmdump("n", 40<<20)
	clear(core[1<<20 : len(core)-1<<20])
	w.write("vmdump.0", core)
	id := firstWord(w.must("upload", "vmdump.0"))
	srv.ResetCounters()
	w.must("get", id, "-o", "copy")
	if got := w.must("get", id, "-o", "-"); got != string(core) {
		t.Error("not the dump on standard output")
	}
	if n := srv.Counters().BodyBytes; n > 6<<20 {
		t.Errorf("%d bytes were fetched", n)
	}
	w.sh("cmp vmdump.0 copy; test $(stat -c %b copy) -lt 8192; test -e " + w.corpus + "/" + id + "/.thothfs.data")
	// A map that is of no use costs time only.
	if _, err := srv.PutObject("/alice/stor/thoth/"+id+"/.thothfs.data", []byte("x")); err != nil {
		t.Fatal(err)
	}
	w.must("get", id, "-o", "copy", "--force")
	w.sh("cmp vmdump.0 copy")
}

// firstWord returns the hash that upload printed.
func firstWord(text string) string { return firstWords(text)[0] }

// firstWords returns the hashes that upload printed.
func firstWords(text string) (words []string) {
	for line := range strings.Lines(text) {
		words = append(words, strings.Fields(line)[0])
	}
	return words
}
