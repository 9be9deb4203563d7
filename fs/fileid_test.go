package fs_test

import (
	"bytes"
	"errors"
	"path"
	"strings"
	"testing"

	"thothfs/fs"
	"thothfs/fs/treetest"
	"thothfs/store/mem"
)

// TestFileIDs checks that every node of the tree can be found by its FileID, even after a restart.
func TestFileIDs(t *testing.T) {
	const hash = treetest.HashA
	long := strings.Repeat("n", 200)
	options := treetest.Corpus(t, func(s *mem.Store) {
		s.Set(hash+"/"+long, []byte("an object with a long name"))
		s.Set(hash+"/info.json", []byte(`{ "cmd": "`+long+`", "dump": "/u/stor/thoth/`+hash+`/core.x.1", "type": "core", "time": 1373566304, "properties": { "`+long+`": 1, "short": 2, "a/b": 3 } }`))
	})
	first, second := newDirectView(t, options).(directView), newDirectView(t, options).(directView)
	seen := map[string]string{}
	var walk func(dir string)
	walk = func(dir string) {
		entries, err := first.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name)
			n, err := first.tree.Walk(background, name)
			if err != nil {
				t.Fatal(err)
			}
			encoded := n.ID().Encode()
			if other, ok := seen[string(encoded)]; ok {
				t.Errorf("%s and %s have one FileID", name, other)
			}
			seen[string(encoded)] = name
			found, err := second.tree.Node(background, encoded)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if found.Path() != name || n.Path() != name || found.ID().Ino() != e.Ino || len(encoded) > fs.MaxFileID {
				t.Errorf("%s, with %d bytes, is found as %s", name, len(encoded), found.Path())
			}
			if e.Mode.IsDir() {
				walk(name)
			}
		}
	}
	walk("")
	if len(seen) < 30 {
		t.Errorf("only %d nodes", len(seen))
	}
}

func TestFileIDOfWhatIsGone(t *testing.T) {
	view := newDirectView(t, treetest.Corpus(t, nil)).(directView)
	property := "by-hash/" + treetest.HashA + "/properties/new"
	if err := view.WriteFile(property, []byte("1\n")); err != nil {
		t.Fatal(err)
	}
	n, err := view.tree.Walk(background, property)
	if err != nil {
		t.Fatal(err)
	}
	if err := view.Remove(property); err != nil {
		t.Fatal(err)
	}
	if _, err := view.tree.Node(background, n.ID().Encode()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	valid := n.ID().Encode()
	for _, b := range [][]byte{nil, {'h'}, valid[:16], bytes.Repeat([]byte{'d'}, 17), bytes.Repeat([]byte{0xff}, 64), make([]byte, 65), append([]byte{0}, valid[1:]...)} {
		if n, err := view.tree.Node(background, b); err == nil {
			t.Errorf("%q is %s", b, n.Path())
		}
	}
}
