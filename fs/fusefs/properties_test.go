package fusefs

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"thothfs/store/mem"
)

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPropertyFiles(t *testing.T) {
	for _, tt := range []struct{ name, property, text, stored, shown string }{
		{"a line", "new", "bmc\n", `"bmc"`, "bmc\n"},
		{"without a newline", "new", "bmc", `"bmc"`, "bmc\n"},
		{"one newline goes", "new", "bmc\n\n", `"bmc\n"`, "bmc\n\n"},
		{"lines", "new", "a\nb\n", `"a\nb"`, "a\nb\n"},
		{"nothing", "new", "", `""`, "\n"},
		{"over another", "triage", "x\n", `"x"`, "x\n"},
		{"number", "new", "12.50\n", `12.50`, "12.50\n"},
		{"object", "new", "{\"a\": [1]}\n", `{"a": [1]}`, "{\"a\":[1]}\n"},
		{"over an object", "deep", "{\"er\": 7}\n", `{"er": 7}`, "{\"er\":7}\n"},
		{"nested", "deep.new", "x\n", `"x"`, "x\n"},
		{"equals sign", "a=b", "x\n", `"x"`, "x\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := mountStore(t, threeDumps(t), nil)
			name := m.path("by-cmd/node", hashA, "properties", tt.property)
			write(t, name, tt.text)
			if got := m.stored(t, hashA, "properties."+tt.property); tt.text != "" && got != tt.stored {
				t.Errorf("the store has %s, want %s", got, tt.stored)
			}
			eventually(t, "the last close", func() bool { return m.stored(t, hashA, "properties."+tt.property) == tt.stored })
			eventually(t, "the file shows the value", func() bool { return read(t, name) == tt.shown })
			if fi, err := os.Stat(name); err != nil || fi.Size() != int64(len(tt.shown)) || fi.Mode() != 0o644 {
				t.Errorf("stat: %v, %v", fi, err)
			}
		})
	}
}

func TestPropertyNames(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	dir := m.path("by-hash", hashA, "properties")
	for _, tt := range []struct {
		name string
		err  error
	}{
		{"%2F", nil}, {"a%2Fb", nil}, {"100%25", nil}, {"caf\xc3\xa9", nil},
		{"%", syscall.EINVAL}, {"100%", syscall.EINVAL}, {"%2f", syscall.EINVAL}, {"bad\xff", syscall.EINVAL},
		{strings.Repeat("n", 255), nil}, {strings.Repeat("n", 256), syscall.ENAMETOOLONG},
	} {
		err := os.WriteFile(dir+"/"+tt.name, []byte("x\n"), 0o644)
		if tt.err == nil && err != nil || !errors.Is(err, tt.err) {
			t.Errorf("%.20q: %v, want %v", tt.name, err, tt.err)
		}
		if tt.err == nil && read(t, dir+"/"+tt.name) != "x\n" {
			t.Errorf("%.20q holds something else", tt.name)
		}
	}
	if got := m.stored(t, hashA, "properties.a/b"); got != `"x"` {
		t.Errorf("a/b is %s", got)
	}
}

// TestPropertyWrites changes a file in all possible ways: write(2), truncate(2), O_APPEND and so
// on.
func TestPropertyWrites(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	name := m.path("by-hash", hashA, "properties/p")
	open := func(flags int) *os.File {
		t.Helper()
		f, err := os.OpenFile(name, flags, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, tt := range []struct {
		name  string
		flags int
		do    func(f *os.File)
		want  string // expected in the store
	}{
		{"create", os.O_WRONLY | os.O_CREATE, func(f *os.File) { f.WriteString("0123456789") }, "0123456789"},
		{"in the middle", os.O_WRONLY, func(f *os.File) { f.WriteAt([]byte("abc"), 3) }, "012abc6789"},
		{"beyond the end", os.O_RDWR, func(f *os.File) { f.WriteAt([]byte("!"), 12) }, "012abc6789\n\x00!"},
		{"cut", os.O_WRONLY, func(f *os.File) { f.Truncate(4) }, "012a"},
		{"append", os.O_WRONLY | os.O_APPEND, func(f *os.File) { f.WriteString("b"); f.WriteString("c\n") }, "012a\nbc"},
		{"nothing", os.O_RDWR, func(f *os.File) {}, "012a\nbc"},
		{"read what was written", os.O_RDWR | os.O_TRUNC, func(f *os.File) {
			f.WriteString("new")
			if got, err := io.ReadAll(io.NewSectionReader(f, 0, 100)); string(got) != "new" || err != nil {
				t.Errorf("reads %q, %v", got, err)
			}
			if fi, err := f.Stat(); err != nil || fi.Size() != 3 {
				t.Errorf("stat: %v, %v", fi, err)
			}
			if got := read(t, name); got != "new" {
				t.Errorf("another handle reads %q", got)
			}
			if got := m.stored(t, hashA, "properties.p"); got != `"012a\nbc"` {
				t.Errorf("stored before it was closed: %s", got)
			}
		}, "new"},
		{"fsync", os.O_WRONLY | os.O_TRUNC, func(f *os.File) {
			f.WriteString("synced")
			if err := f.Sync(); err != nil {
				t.Error(err)
			}
			if got := m.stored(t, hashA, "properties.p"); got != `"synced"` {
				t.Errorf("after fsync the store has %s", got)
			}
		}, "synced"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := open(tt.flags)
			tt.do(f)
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			got := make([]byte, 100)
			n, err := unix.Getxattr(m.path("by-hash", hashA), "user.thoth.properties.p", got)
			if err != nil || string(got[:n]) != tt.want {
				t.Errorf("stored %q, %v; want %q", got[:n], err, tt.want)
			}
		})
	}
	t.Run("truncate by name", func(t *testing.T) {
		eventually(t, "the last close", func() bool { return stat(m.b, "fs.buffers") == 0 })
		if err := os.Truncate(name, 4); err != nil || m.stored(t, hashA, "properties.p") != `"sync"` {
			t.Errorf("%v, stored %s", err, m.stored(t, hashA, "properties.p"))
		}
	})
	t.Run("many edits are one", func(t *testing.T) {
		before := m.corpus.called("edit")
		f := open(os.O_WRONLY | os.O_TRUNC)
		for range 100 {
			f.WriteString("line\n")
		}
		f.Close()
		if n := m.corpus.called("edit") - before; n != 1 {
			t.Errorf("%d edits", n)
		}
	})
}

// TestPropertyShared checks that several descriptors of one file share a buffer, which is stored
// when they are closed.
func TestPropertyShared(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	name := m.path("by-hash", hashA, "properties/log")
	write(t, name, "0\n") // "0" reads the same before and after the last RELEASE
	var files []*os.File
	for range 8 {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	for _, f := range files {
		f.WriteString("x")
	}
	for _, f := range files {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if got := m.stored(t, hashA, "properties.log"); got != `"0\nxxxxxxxx"` {
		t.Errorf("stored %s", got)
	}
}

func TestPropertySizes(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	name := m.path("by-hash", hashA, "properties/big")
	big := strings.Repeat("0123456789abcde\n", 15<<16) // 15 MiB
	write(t, name, big)
	eventually(t, "the last close", func() bool { return stat(m.b, "fs.buffers") == 0 })
	if got := read(t, name); got != big {
		t.Errorf("%d bytes of %d come back", len(got), len(big))
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("x"), 16<<20); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("beyond 16 MiB: %v", err)
	}
	if err := f.Truncate(16<<20 + 1); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("truncate beyond 16 MiB: %v", err)
	}
	if err := f.Truncate(16 << 20); err != nil {
		t.Error(err)
	}
	if err := f.Close(); !errors.Is(err, syscall.EFBIG) { // the rest of the document makes it too large
		t.Errorf("close: %v", err)
	}
	if got := m.stored(t, hashA, "properties.big"); len(got) < len(big) || len(got) > 2*len(big) {
		t.Errorf("afterwards the store has %d bytes", len(got))
	}
	eventually(t, "nothing is held any more", func() bool { return stat(m.b, "fs.buffered_bytes") == 0 })
}

func TestTooMuchAtATime(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	var err error
	for i := range 256/16 + 1 {
		f, oerr := os.Create(m.path("analyzers", "big"+itoa(i)))
		if oerr != nil {
			t.Fatal(oerr)
		}
		defer os.Remove(f.Name())
		defer f.Close()
		err = f.Truncate(16 << 20)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
}

func TestPropertyRemoveAndRename(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	dir := m.path("by-hash", hashA, "properties")
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("s"), "123456789012345678901\n") // a string that looks like a number
	type step struct {
		name string
		do   func() error
		err  error
		want []string // listed afterwards
	}
	for _, s := range []step{
		{"rename", func() error { return os.Rename(at("deep"), at("deeper")) }, nil, []string{"deeper", "s", "triage"}},
		{"rename over", func() error { return os.Rename(at("triage"), at("s")) }, nil, []string{"deeper", "s"}},
		{"rename what is not there", func() error { return os.Rename(at("no"), at("s")) }, syscall.ENOENT, []string{"deeper", "s"}},
		{"rename noreplace", func() error {
			return unix.Renameat2(unix.AT_FDCWD, at("s"), unix.AT_FDCWD, at("deeper"), unix.RENAME_NOREPLACE)
		}, syscall.EEXIST, []string{"deeper", "s"}},
		{"exchange", func() error {
			return unix.Renameat2(unix.AT_FDCWD, at("s"), unix.AT_FDCWD, at("deeper"), unix.RENAME_EXCHANGE)
		}, syscall.EINVAL, []string{"deeper", "s"}},
		{"to another dump", func() error { return os.Rename(at("s"), m.path("by-hash", hashB, "properties/s")) }, syscall.EXDEV, []string{"deeper", "s"}},
		{"remove", func() error { return os.Remove(at("s")) }, nil, []string{"deeper"}},
		{"remove again", func() error { return syscall.Unlink(at("s")) }, syscall.ENOENT, []string{"deeper"}},
		{"mkdir", func() error { return os.Mkdir(at("d"), 0o755) }, syscall.EPERM, []string{"deeper"}},
		{"symlink", func() error { return os.Symlink("x", at("l")) }, syscall.EPERM, []string{"deeper"}},
		{"link", func() error { return os.Link(at("deeper"), at("l")) }, syscall.EPERM, []string{"deeper"}},
		{"mknod", func() error { return unix.Mknod(at("f"), unix.S_IFIFO|0o644, 0) }, syscall.EPERM, []string{"deeper"}},
		{"nested", func() error { return os.Remove(at("deeper.er")) }, nil, []string{"deeper"}},
	} {
		t.Run(s.name, func(t *testing.T) {
			if err := s.do(); s.err == nil && err != nil || !errors.Is(err, s.err) {
				t.Errorf("got %v, want %v", err, s.err)
			}
			if diff := cmp.Diff(s.want, ls(t, dir)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := m.stored(t, hashA, "properties"); got != `{ "deeper": {} }` {
		t.Errorf("the store has %s", got)
	}
}

// TestRenameKeepsTheKind checks that a rename moves the value rather than its text, so that a
// string stays a string.
func TestRenameKeepsTheKind(t *testing.T) {
	m := mountStore(t, func(s *mem.Store) { putDump(t, s, hashA, "", nil, `"properties": {"s": "12", "n": 1.50}`) }, nil)
	for from, to := range map[string]string{"s": "s2", "n": "n2"} {
		if err := os.Rename(m.path("by-hash", hashA, "properties", from), m.path("by-hash", hashA, "properties", to)); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.stored(t, hashA, "properties.s2") + m.stored(t, hashA, "properties.n2"); got != `"12"1.50` {
		t.Errorf("the store has %s", got)
	}
}

// TestRemovedWhileOpen checks that a file removed or replaced while it is open can be read until
// its last close, which does not store it.
func TestRemovedWhileOpen(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	name := m.path("by-hash", hashA, "properties/p")
	for _, way := range []string{"removed", "replaced"} {
		t.Run(way, func(t *testing.T) {
			f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			f.WriteString("the old one")
			want := ""
			if way == "removed" {
				err = os.Remove(name)
			} else {
				write(t, name+".tmp", "the new one")
				err = os.Rename(name+".tmp", name)
				want = `"the new one"`
			}
			if err != nil {
				t.Fatal(err)
			}
			f.WriteString("!")
			if got, err := io.ReadAll(io.NewSectionReader(f, 0, 100)); err != nil || string(got) != "the old one!" {
				t.Errorf("reads %q, %v", got, err)
			}
			if _, err := f.Stat(); err != nil {
				t.Errorf("fstat: %v", err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			if got := m.stored(t, hashA, "properties.p"); got != want {
				t.Errorf("the store has %s, want %s", got, want)
			}
		})
	}
}

// TestAttributesOfWritableFiles checks that mode, owner and times cannot be changed, but that cp -p
// and editors do not get an error.
func TestAttributesOfWritableFiles(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	ino := func(path string) uint64 {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			t.Error(err)
		}
		return st.Ino
	}
	for name, mode := range map[string]os.FileMode{
		"by-hash/" + hashA + "/properties/triage": 0o644, "by-hash/" + hashA + "/properties": os.ModeDir | 0o755,
		"analyzers/fmri": 0o755, "analyzers": os.ModeDir | 0o755, "by-ticket/OS-1": os.ModeDir | 0o755,
	} {
		path := m.path(name)
		before, _ := os.Stat(path)
		number := ino(path)
		if err := errors.Join(os.Chmod(path, 0o600), os.Chown(path, os.Getuid(), os.Getgid()), unix.Utimes(path, make([]unix.Timeval, 2))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.Stat(path); err != nil || after.Mode() != mode || !after.ModTime().Equal(before.ModTime()) {
			t.Errorf("%s: %v, %v", name, after, err)
		}
		if ino(path) != number {
			t.Errorf("%s: another number", name)
		}
		if err := unix.Access(path, unix.W_OK); err != nil {
			t.Errorf("%s: access: %v", name, err)
		}
	}
}
