package fs_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"thothfs/dump/dumptest"
	"thothfs/fs"
	"thothfs/fs/treetest"
	"thothfs/store/mem"
)

// kernelTree returns a tree with the dump of a kernel, by hash, for each document.
func kernelTree(t *testing.T, object []byte, documents ...string) (v directView, hashes []string, s *mem.Store) {
	o := treetest.Corpus(t, func(s *mem.Store) {
		for i, doc := range documents {
			hash := fmt.Sprintf("%032x", i+1)
			hashes = append(hashes, hash)
			s.Set(hash+"/vmcore.7", object)
			s.Set(hash+"/info.json", []byte(`{ "dump": "/u/stor/thoth/`+hash+`/vmcore.7", `+doc+` }`))
		}
	})
	return newDirectView(t, o).(directView), hashes, o.Store.(*mem.Store)
}

func hasEntry(t *testing.T, v directView, dir, name string) bool {
	t.Helper()
	entries, err := v.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name == name })
}

func TestDmesg(t *testing.T) {
	t.Parallel()
	for name, format := range map[string]string{"6.1-oops.elf": "Linux vmcore", "6.12-wrapped.lzo": "kdump"} {
		v, hashes, s := kernelTree(t, dumptest.Kernel(t, name), `"type": "crash", "format": "`+format+`"`)
		dir := "by-hash/" + hashes[0]
		path := dir + "/dmesg"
		before, err := v.Stat(path)
		if err != nil || before.Mode != 0o444 || !hasEntry(t, v, dir, "dmesg") {
			t.Errorf("%s: %+v, %v", name, before, err)
		}
		want := dumptest.Kernel(t, name+".dmesg")
		if got, err := v.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, want %d, %v", name, len(got), len(want), err)
		}
		if after, err := v.Stat(path); err != nil || after.Size != int64(len(want)) || after.Ino != before.Ino {
			t.Errorf("%s: %+v, %v", name, after, err)
		}
		if err := v.WriteFile(path, []byte("x")); !errors.Is(err, fs.ErrReadOnly) && !errors.Is(err, fs.ErrNotPermitted) {
			t.Errorf("%s: write: %v", name, err)
		}
		if _, err := v.open(path, fs.OpenFlags{Write: true}); !errors.Is(err, fs.ErrReadOnly) {
			t.Errorf("%s: open for writing: %v", name, err)
		}
		n, err := v.tree.Walk(background, path)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := v.tree.Node(background, n.ID().Encode()); err != nil || again.ID() != n.ID() {
			t.Errorf("%s: the node by its ID: %v, %v", name, again, err)
		}
		s.Delete(hashes[0] + "/vmcore.7")
		if got, err := v.ReadFile(path); err == nil && !bytes.Equal(got, want) {
			t.Errorf("%s, purged: %d bytes", name, len(got))
		}
	}
}

// TestDmesgOfOthers checks that only dumps of Linux kernels have the file, that it can be opened
// only if the dump has the log, and that an object of that name takes precedence.
func TestDmesgOfOthers(t *testing.T) {
	t.Parallel()
	v, hashes, _ := kernelTree(t, dumptest.Kernel(t, "6.1-oops.elf")[:8192], `"type": "crash", "format": "Linux vmcore"`,
		`"type": "crash", "format": "illumos vmdump"`, `"type": "crash"`, `"type": "core", "format": "kdump"`)
	if _, err := v.ReadFile("by-hash/" + hashes[0] + "/dmesg"); !errors.Is(err, fs.ErrNotSupported) {
		t.Errorf("a dump without the log: %v", err)
	}
	for _, hash := range append(hashes[1:], treetest.HashA, treetest.HashB) {
		if _, err := v.Stat("by-hash/" + hash + "/dmesg"); !errors.Is(err, fs.ErrNotExist) || hasEntry(t, v, "by-hash/"+hash, "dmesg") {
			t.Errorf("%s: %v", hash, err)
		}
	}
	const saved = "saved by kdump-tools\n"
	o := treetest.Corpus(t, func(s *mem.Store) {
		s.Set(hashes[0]+"/vmcore.7", dumptest.Kernel(t, "6.1-oops.elf"))
		s.Set(hashes[0]+"/info.json", []byte(`{ "type": "crash", "format": "Linux vmcore" }`))
		s.Set(hashes[0]+"/dmesg", []byte(saved))
	})
	if got, err := newDirectView(t, o).ReadFile("by-hash/" + hashes[0] + "/dmesg"); err != nil || string(got) != saved {
		t.Errorf("an object of the name: %q, %v", got, err)
	}
}
