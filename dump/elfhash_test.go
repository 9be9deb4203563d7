package dump

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// hashCase is a file that the original hashes or refuses.
type hashCase struct {
	name    string
	file    *sparseFile
	refused bool
}

// hashCases returns a file for each peculiarity of the algorithm.
func hashCases() []hashCase {
	note := func(n int) []byte {
		return bytes.Repeat([]byte("note"), (n+3)/4)[:n]
	}
	base := func(class int, order byteOrder, segs ...elfSegment) elfFile {
		return elfFile{class: class, order: order, machine: elf.EM_X86_64, segments: segs}
	}
	noteAt := func(off, size uint64, content []byte) elfSegment {
		return elfSegment{Segment{Type: SegmentNote, Offset: off, Filesz: size}, content}
	}
	many := func(n int) []elfSegment {
		segs := []elfSegment{noteSegment(note(5000))}
		for i := range n - 1 {
			segs = append(segs, elfSegment{Segment: Segment{Type: SegmentLoad, Vaddr: uint64(i) << 12}})
		}
		return segs
	}
	plain := []elfSegment{noteSegment(note(1000)), loadSegment(0x400000, note(100)), noteSegment(note(333))}
	var cases []hashCase
	add := func(name string, e elfFile) *hashCase {
		cases = append(cases, hashCase{name: name, file: e.build()})
		return &cases[len(cases)-1]
	}
	for _, class := range []int{32, 64} {
		for _, order := range []byteOrder{le, be} {
			add(fmt.Sprintf("class %d %v", class, order), base(class, order, plain...))
			e := base(class, order, plain...)
			e.stride = 71
			add(fmt.Sprintf("class %d %v stride 71", class, order), e)
			e = base(class, order, many(70000)...)
			e.xnum = true
			add(fmt.Sprintf("class %d %v PN_XNUM", class, order), e)
			e = base(class, order, plain...)
			e.stride = 20
			add(fmt.Sprintf("class %d %v stride 20", class, order), e).refused = true
			e = base(class, order, noteAt(0, 0, nil))
			e.phoff = 0xfffffff0
			add(fmt.Sprintf("class %d %v headers below 4 GiB", class, order), e)
		}
	}
	add("no program headers", base(64, le))
	add("note of no bytes", base(64, le, noteAt(100, 0, nil)))
	add("65535 claimed", func() elfFile { e := base(64, le, plain...); e.phnum = 65535; return e }())
	add("hi 1", base(64, le, noteAt(1<<32+200, 500, note(500))))
	add("hi 5, in the middle of zeros", base(64, le, noteAt(5<<32+200, 500, note(500))))
	add("size hi 1", base(64, be, noteAt(64, 1<<32+77, note(500))))
	add("at the end of 5 GiB", base(64, le, loadSegment(0x1000, note(5<<20)), noteAt(5<<30, 4000, note(4000))))
	add("position -1", base(64, le, noteAt(0xffffffff00000000, 900, nil), noteAt(0xffffffff00000000, 900, nil), loadSegment(1, note(4000))))
	add("position -2 of no bytes", base(64, le, noteAt(0xfffffffe00000000, 0, nil)))
	add("hi -1, position 99", base(64, le, noteAt(0xffffffff00000064, 900, nil)))
	add("beyond the end", base(64, le, noteAt(1<<20, 3000, nil)))
	add("across the end", base(64, le, noteAt(64, 3<<20, nil)))
	add("size negative", base(64, le, noteAt(64, 0xffffffff00000000, nil))).refused = true
	add("size 2 GiB", base(64, le, noteAt(64, 1<<31, nil))).refused = true
	whole := base(64, le, plain...).build().dense()
	for _, n := range []int{64, 65, 100, 300, 1000, 1700} {
		cut := &sparseFile{}
		cut.put(0, whole[:n])
		cases = append(cases, hashCase{name: fmt.Sprintf("cut at %d", n), file: cut})
	}
	return cases
}

// TestHashAgainstNode checks that Hash agrees with the algorithm in JavaScript, run by Node, for
// all real and synthetic files.
func TestHashAgainstNode(t *testing.T) {
	node := needTool(t, "node")
	dir := t.TempDir()
	var files []string
	want := map[string]string{} // results of Hash, keyed by path
	for i, c := range hashCases() {
		path := filepath.Join(dir, fmt.Sprintf("%d", i))
		writeSparse(t, path, c.file)
		files = append(files, path)
		id, err := Hash(c.file, c.file.size)
		switch {
		case err != nil && !errors.Is(err, ErrDamaged):
			t.Errorf("%s: %v", c.name, err)
		case (err != nil) != c.refused:
			t.Errorf("%s: got %v, %v", c.name, id, err)
		}
		want[path] = answer(id, err)
	}
	entries, err := filepath.Glob("testdata/cores/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range entries {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
		id, err := Hash(bytes.NewReader(b), int64(len(b)))
		want[path] = answer(id, err)
		if info, err := Inspect(bytes.NewReader(b), int64(len(b))); err == nil && info.Type == Crash {
			want[path] = info.AlsoIDs[1].String() // the installed Node is a later version
		}
	}
	out, err := exec.Command(node, append([]string{"testdata/hash.js"}, files...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(files) {
		t.Fatalf("%d answers for %d files", len(lines), len(files))
	}
	for i, got := range lines {
		if got != want[files[i]] {
			t.Errorf("%s: node says %s, we %s", files[i], got, want[files[i]])
		}
	}
}

func answer(id ID, err error) string {
	if err != nil {
		return "none"
	}
	return id.String()
}

func writeSparse(t *testing.T, path string, s *sparseFile) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(s.size); err != nil {
		t.Fatal(err)
	}
	for _, p := range s.pieces {
		if _, err := f.WriteAt(p.data, p.off); err != nil {
			t.Fatal(err)
		}
	}
}

// needTool returns the path of a program. If it is not installed, the test is skipped, or fails
// if CI is set.
func needTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", name)
	}
	if err != nil {
		t.Skipf("%s is not installed: this comparison needs it", name)
	}
	return path
}

// TestHashTraps checks hashes that Node 8 computed, for machines without Node.
func TestHashTraps(t *testing.T) {
	core := readCore(t, "lldb-linux-x86_64.core")
	patch := func(edit func(phdr []byte)) []byte {
		b := bytes.Clone(core)
		edit(b[le.Uint64(b[32:]):])
		return b
	}
	offset := func(v uint64) []byte {
		return patch(func(p []byte) { le.PutUint64(p[8:], v) })
	}
	twice := func(v uint64) []byte {
		return patch(func(p []byte) {
			le.PutUint64(p[8:], v)
			le.PutUint32(p[56:], SegmentNote)
			le.PutUint64(p[56+8:], v)
			le.PutUint64(p[56+32:], 1000)
		})
	}
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"high half 1", offset(0x100000200), "e7bb8b096e393ab5c998d3419858291a"},
		{"high half -1", offset(0xffffffff00000300), "9806a0f681156bd1c77705b3261fd2ec"},
		{"position -1", offset(0xffffffff00000000), "22c70db6f33c318603f678a5bc9240c0"},
		{"position -1 twice", twice(0xffffffff00000000), "9b685fc551d223089026875906c44fd5"},
		{"position -2", offset(0xfffffffe00000000), "254f1f6790b64d83945861fa08a05719"},
		{"position -2 twice", twice(0xfffffffe00000000), "cd58e2c18d361da98a2ea4a24c872ba0"},
		{"no program headers", func() []byte {
			b := bytes.Clone(core)
			le.PutUint16(b[56:], 0)
			return b
		}(), "d41d8cd98f00b204e9800998ecf8427e"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := inspect(t, c.content).ID.String(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestPhdrJSON(t *testing.T) {
	s := Segment{Type: 4, Offset: 2248, Filesz: 28504, Align: 4, Vaddr: 0xfffffffe00000001, Flags: 5}
	const want64 = `{"p_type":4,"p_flags":5,"p_offset":[0,2248],"p_vaddr":[4294967294,1],"p_paddr":[0,0],"p_filesz":[0,28504],"p_memsz":[0,0],"p_align":[0,4]}`
	const want32 = `{"p_type":4,"p_offset":2248,"p_vaddr":1,"p_paddr":0,"p_filesz":28504,"p_memsz":0,"p_flags":5,"p_align":4}`
	if got := string(appendPhdrJSON(nil, s, 64)); got != want64 {
		t.Errorf("got %s", got)
	}
	s.Vaddr = 1
	if got := string(appendPhdrJSON(nil, s, 32)); got != want32 {
		t.Errorf("got %s", got)
	}
}
