package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatIsNotACorpus names things as corpus that are none. Nothing is listed as empty or adopted silently.
func TestWhatIsNotACorpus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	core := shippedCores(t)[0]
	w.sh("mkdir other && touch other/notes && echo x >file")
	for _, c := range []struct {
		store, want string
	}{
		{"file", "file: not a directory"},
		{"s3://bucket", "--store s3://bucket: there is no kind of store s3"},
		{"other", "not a corpus: the directory has other files (notes, …) and no dumps"},
		{"absent", "there is no such directory (thothfs upload makes it"},
	} {
		for _, args := range [][]string{{"ls"}, {"mount", w.mnt}, {"upload", "--no-stack", core}} {
			if args[0] == "upload" && c.store == "absent" {
				continue
			}
			r := w.try(append(args, "--store", c.store)...)
			if r.code == 0 || r.stdout != "" || !strings.Contains(r.stderr, c.want) {
				t.Errorf("--store %s %v: %+v, want %q", c.store, args, r, c.want)
			}
		}
	}
	if entries, err := os.ReadDir(filepath.Join(w.dir, "other")); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	w.sh("mkdir other/.thothfs")
	w.must("upload", "--no-stack", "--store", "other", core)
	if r := w.try("upload", "--no-stack", "--store", "absent", core); r.code != 0 || !strings.Contains(r.stderr, "new corpus: "+filepath.Join(w.dir, "absent")) {
		t.Errorf("%+v", r)
	}
	// The default corpus is not made by reading.
	w.setenv("THOTHFS_STORE=")
	if r := w.try("ls"); r.code != 1 || !strings.Contains(r.stderr, ".local/share/thothfs/corpus: there is no such directory") {
		t.Errorf("%+v", r)
	}
	w.must("upload", "--no-stack", core)
	w.must("ls")
}

func TestAnAbsentDirectoryOfMantaIsNotEmpty(t *testing.T) {
	t.Parallel()
	w, _ := newMantaWorld(t, 0)
	if r := w.try("ls"); r.code != 1 || !strings.Contains(r.stderr, "manta:/alice/stor/thoth: there is no such directory") {
		t.Errorf("%+v", r)
	}
	w.must("upload", "--no-stack", shippedCores(t)[0])
	w.must("ls")
}

// TestErrorsNameAThingOnce checks messages that used to name a file or a reason twice.
func TestErrorsNameAThingOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dump(1, "node", "one")
	for _, args := range [][]string{{"upload", "nosuch"}, {"object", "nosuch"}, {"attach", hash(1), "nosuch"}} {
		if r := w.try(args...); r.code != 1 || !strings.Contains(r.stderr, "thothfs: nosuch: ") || strings.Count(r.stderr, "nosuch") != 1 {
			t.Errorf("%v: %+v", args, r)
		}
	}
	if r := w.try("upload", "/dev/null"); strings.Count(r.stderr, "/dev/null") != 1 {
		t.Errorf("%+v", r)
	}
}

// TestMovedCorpus moves the directory of a corpus. Documents keep the old path, which nothing uses.
func TestMovedCorpus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	core := shippedCores(t)[0]
	id := firstWord(w.must("upload", "--no-stack", core))
	w.sh("mv corpus moved")
	w.setenv("THOTHFS_STORE=" + filepath.Join(w.dir, "moved"))
	if got := w.must("modules", id); got != w.must("modules", core) {
		t.Errorf("modules: %s", got)
	}
	if got := w.must("show", id); !strings.Contains(got, "Storage: "+filepath.Join(w.dir, "moved", id)) {
		t.Errorf("show: %s", got)
	}
}

// TestMountSaysWhatItHides mounts over a directory with files, and reads the settings in effect.
func TestMountSaysWhatItHides(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dump(1, "node", "one")
	w.sh("touch mnt/file")
	needFUSE(t)
	r := w.try("mount", w.mnt)
	t.Cleanup(func() { w.unmount() })
	if r.code != 0 || !strings.Contains(r.stderr, "mnt is not empty: what it contains is hidden") {
		t.Errorf("%+v", r)
	}
	config := w.sh("cat mnt/.thothfs/config")
	if !strings.Contains(config, "\nlog="+filepath.Join(w.dir, "cache", "thothfs.log")+"\n") || strings.Contains(config, "\ncache-size=\n") {
		t.Errorf("%s", config)
	}
}
