package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thothfs/cache/cachedir"
	"thothfs/corpus/download"
	"thothfs/dump/dumptest"
)

// write writes a file to the directory of a world.
func (w *world) write(name string, data []byte) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), data, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func TestUploadSaysThatADumpIsTruncated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	whole := dumptest.Kdump{Pages: 60, Zeros: 3}.Build()
	w.write("whole", whole)
	w.write("cut", whole[:len(whole)-500])
	cut := w.try("upload", "cut")
	if want := fmt.Sprintf("it has %d bytes of at least %d", len(whole)-500, len(whole)); cut.code != 0 || !strings.Contains(cut.stderr, want) {
		t.Errorf("%+v", cut)
	}
	w.must("ticket", cut.stdout[:32], "OS-1")
	if got := w.must("report", "truncated"); got != "{\n    \"true\": 1\n}\n" {
		t.Error(got)
	}
	if r := w.try("upload", "whole"); r.code != 0 || r.stdout[:32] != cut.stdout[:32] || !strings.Contains(r.stderr, "replaced") || strings.Contains(r.stderr, "is truncated") {
		t.Errorf("%+v", r)
	}
	if r := w.try("upload", "cut"); r.code != 1 || !strings.Contains(r.stderr, "larger copy") {
		t.Errorf("%+v", r)
	}
	if got := w.must("report", "truncated=undefined", "ticket"); got != "{\n    \"OS-1\": 1\n}\n" {
		t.Error(got)
	}
	if diff := w.sh("cmp whole corpus/*/whole corpus/*/cut 2>&1 || true; ls corpus/*/"); strings.Contains(diff, "differ") {
		t.Error(diff)
	}
}

func TestUploadOfAFlattenedDump(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	whole := dumptest.Kdump{Pages: 60, Zeros: 3}.Build()
	w.write("whole", whole)
	w.write("vmcore.flat", dumptest.Flatten(whole))
	id := firstWord(w.must("upload", "vmcore.flat"))
	if got := w.must("object", "vmcore.flat", "whole"); got != id+"  vmcore.flat\n"+id+"  whole\n" {
		t.Errorf("uploaded as %s, object says %s", id, got)
	}
	w.sh("cmp whole corpus/" + id + "/vmcore.flat")
	if r := w.try("upload", "whole"); r.code != 0 || !strings.Contains(r.stderr, "already") {
		t.Errorf("%+v", r)
	}
	// The dump does not record which node it comes from.
	if got := w.must("report", "node=undefined", "format"); got != "{\n    \"kdump\": 1\n}\n" {
		t.Error(got)
	}
	if got := w.must("ls", "-o", "wide"); !strings.Contains(got, strings.TrimSpace(id)+" crash ") {
		t.Error(got)
	}
}

func TestUploadOfStandardInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	whole := string(dumptest.Vmdump("a", 5000))
	w.sh("mkdir corpus")
	r := w.tryInput(whole, "upload", "--node=db7", "--time=@1373566303", "--name=vmdump.7", "-")
	if r.code != 0 || !strings.HasSuffix(r.stdout, "  vmdump.7\n") || r.stderr != "" {
		t.Fatalf("%+v", r)
	}
	id := firstWord(r.stdout)
	w.write("same", []byte(whole))
	w.sh("cmp same corpus/" + id + "/vmdump.7; test -z \"$(ls cache/tmp)\"")
	if got := w.must("ls", "node=db7"); !strings.Contains(got, "2013-07-11T18:11:43") {
		t.Error(got)
	}
	w.write("packed.gz", []byte(w.sh("gzip -c same")))
	if r := w.tryInput(w.sh("gzip -c same"), "upload", "-"); r.code != 0 || r.stdout != id+"  core\n" || !strings.Contains(r.stderr, "already there") {
		t.Errorf("%+v", r)
	}
	for stdin, want := range map[string]string{"": "standard input is empty", "text": "not a core"} {
		if r := w.tryInput(stdin, "upload", "-"); r.code != 1 || !strings.Contains(r.stderr, want) || r.stdout != "" {
			t.Errorf("%q: %+v", stdin, r)
		}
	}
	w.sh("mkdir dir")
	for args, want := range map[string]string{
		"--name=a same packed.gz": "--name names one dump", "--name=a dir": "is a directory", "--name=../x same": "not a valid file name", "--time=@x same": "seconds since 1970",
	} {
		if r := w.try(append([]string{"upload"}, strings.Fields(args)...)...); r.code != 2 || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: %+v", args, r)
		}
	}
	term := onTerminal(t, w.command("upload", "-"))
	term.expect("standard input is a terminal")
	if code := term.code(); code != 2 {
		t.Errorf("exit %d", code)
	}
}

func TestUploadOfADirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sh("mkdir -p corpus crashes/old/deep empty; mkfifo crashes/pipe")
	for name, node := range map[string]string{"crashes/a": "a", "crashes/old/deep/b": "b", "outside": "c"} {
		w.write(name, dumptest.Vmdump(node, 1000))
	}
	w.write("crashes/old/packed", dumptest.Vmdump("d", 1000))
	w.write("crashes/log", []byte("text"))
	w.sh("gzip crashes/old/packed; gzip -k crashes/log; head -c 20 crashes/log.gz >crashes/cut.gz; cp /bin/true crashes/program; ln -s ../outside crashes/link; ln -s .. crashes/up; ln -s crashes also")
	r := w.try("upload", "also")
	names := ""
	for line := range strings.Lines(r.stdout) {
		names += strings.Fields(line)[1] + " "
	}
	if r.code != 0 || names != "also/a also/old/deep/b also/old/packed.gz " || r.stderr != "thothfs: also: 7 other files skipped\n" {
		t.Errorf("%+v", r)
	}
	if got := w.must("report", "node"); strings.Contains(got, `"c"`) || !strings.Contains(got, `"d": 1`) {
		t.Error(got)
	}
	if r := w.try("upload", "empty"); r.code != 0 || r.stderr != "thothfs: empty: no dumps in it, and 0 other files\n" {
		t.Errorf("%+v", r)
	}
	// One that cannot be stored does not keep the others away.
	w.write("crashes/1st", []byte("KDUMP   "))
	if r := w.try("upload", "crashes"); r.code != 1 || strings.Count(r.stdout, "\n") != 3 || !strings.Contains(r.stderr, "crashes/1st: ") {
		t.Errorf("%+v", r)
	}
}

// TestUploadOfADirectorySkipsOwnFiles uploads a directory with a cache, an unfinished copy and the internal files
// of a corpus, all of which begin as a dump does.
func TestUploadOfADirectorySkipsOwnFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sh("mkdir -p corpus home/.cache/thothfs home/.thothfs/tmp home/sub")
	if err := cachedir.Prepare(filepath.Join(w.dir, "home/.cache/thothfs/blocks")); err != nil {
		t.Fatal(err)
	}
	w.write("home/a", dumptest.Vmdump("a", 1000))
	for _, name := range []string{".cache/thothfs/blocks/b", ".thothfs/tmp/c", "sub/" + download.PartialPrefix + "0123"} {
		w.write("home/"+name, dumptest.Vmdump("other", 1000))
	}
	const cache, internal = "home/.cache/thothfs/blocks: a cache, skipped\n", "home/.thothfs: internal files of a corpus, skipped\n"
	r := w.try("upload", "home")
	if r.code != 0 || strings.Count(r.stdout, "\n") != 1 || !strings.HasSuffix(r.stdout, "  home/a\n") ||
		r.stderr != "thothfs: "+cache+"thothfs: "+internal+"thothfs: home: 1 other file skipped\n" {
		t.Errorf("%+v", r)
	}
	for _, dir := range []string{"home/.cache/thothfs/blocks", "home/.thothfs"} {
		if r := w.try("upload", dir); r.code != 0 || r.stdout != "" || !strings.Contains(r.stderr, dir+": no dumps in it") {
			t.Errorf("%+v", r)
		}
	}
}
