package dump

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// coreFacts corresponds to a row of testdata/cores/README.md.
type coreFacts struct {
	file, os, machine string
	size              int64
	threads, pid      int
	cmd, psargs       string
	signal            int
	needed            int64 // 0 means size
	hash              string
	first             int // ID of the first thread
	exe, buildID      string
}

const testTestTest = "/test/test/test/test/test/test/test/test/test/test/test/test/test/test/test/tes"

var realCores = []coreFacts{
	{"lldb-linux-x86_64.core", "linux", "x86_64", 49152, 1, 32259, "a.out", testTestTest, 11, 0,
		"bd2063fa9b9198c4d8b37f3a7e6aea84", 32259, "a.out", "01df54a6045e657d3f8ffb9ce111878914f8bd6d"},
	{"lldb-linux-i386.core", "linux", "i386", 28672, 1, 32306, "a.out", "./a.out", 11, 0,
		"844044e0d5bd1d97b092524ffdbbe063", 32306, "/home/labath/test/a.out", "ff1bdd501e96dc6439b59a5a7efa5c1619937df1"},
	{"lldb-linux-aarch64.core", "linux", "aarch64", 24576, 1, 37688, "a.out", "./a.out", 11, 0,
		"ea534a1c6dedec05b1ecbbbad5caac50", 37688, "elf-core/a.out", "edcac223f392a2855b4cc2326e60bb65a6ced90e"},
	{"lldb-linux-ppc64le.core", "linux", "ppc64le", 330648, 1, 28147, "linux-ppc64le.ou",
		"/home/alexandre_yamashita/Workspace/llvm/tools/lldb/packages/Python/lldbsuite/te", 11, 0,
		"6bba90b55c9ad08e93b627dd1183bcfd", 28147, "elf-core/linux-ppc64le.out", ""},
	{"lldb-linux-s390x.core", "linux", "s390x", 16384, 1, 1045, "a.out", "./a.out", 11, 0,
		"cee5b4cd175133af6dc19650b18dea37", 1045, "linux-core/a.out", "303c8a8ab579e317c516902ff98009f7eb7dc28c"},
	{"lldb-gcore-x86_64.core", "linux", "x86_64", 19008, 3, 5669, "a.out", "./a.out", 0, 0,
		"f6240485126fd48188581fed12ddf505", 5669, "", ""},
	{"lldb-threads-x86_64.core", "linux", "x86_64", 32768, 3, 5222, "a.out", "./a.out", 4, 0,
		"f4380909c110405d1632e497fd35362a", 5250, "thread_crash/a.out", ""},
	{"lldb-freebsd-x86_64.core", "freebsd", "x86_64", 24960, 4, 802, "a.out", "./a.out", 11, 11866112,
		"aedf8cdcab586af365e00856f2dbbc3a", 100744, "/usr/home/mgorny/a.out", ""},
	{"lldb-netbsd-amd64.core", "netbsd", "x86_64", 22776, 1, 578, "a.out", "", 11, 0,
		"185bbcfd2cdd4fa2fb12ddde1785d9d2", 1, "/home/mgorny/./a.out", ""},
	{"pyelftools-linux32.core", "linux", "i386", 221184, 1, 11038, "coredump", "./coredump foo bar 42", 6, 0,
		"ee41a00ed65e7a97a22b6307c09988f7", 11038, "/tmp/coredump", "0ff51b3c64302f92a6ba7189a6a7b91f905d64b5"},
	{"pyelftools-linux64.core", "linux", "x86_64", 262144, 1, 23395, "coredump_self", "./coredump_self foo bar 42", 6, 0,
		"ef5f04b4532a752fdafcd4dda2dceb9e", 23395, "test/coredump_self", "48fa69b60eae8348d586679eb6992f568bf70954"},
	{"pyelftools-simple64.core", "linux", "x86_64", 253952, 1, 135113, "coredump_self", "./coredump_self", 6, 0,
		"7d4e6472e9ec7b180aa5534e3f62ec1d", 135113, "testfiles_for_readelf/coredump_self", "bf8940bcaeb81910d47e8a78ac0b277fe0a2897c"},
}

func readCore(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "cores", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// inspect inspects b, which must be a dump, and checks that Hash returns the same ID.
func inspect(t testing.TB, b []byte) *Info {
	t.Helper()
	info, err := Inspect(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	id, err := Hash(bytes.NewReader(b), int64(len(b)))
	if err != nil || id != info.ID {
		t.Fatalf("Hash: %v, %v; Inspect: %v", id, err, info.ID)
	}
	return info
}

func TestRealCores(t *testing.T) {
	for _, want := range realCores {
		t.Run(want.file, func(t *testing.T) {
			b := readCore(t, want.file)
			got := inspect(t, b)
			needed := want.needed
			if needed == 0 {
				needed = want.size
			}
			for _, c := range []struct {
				what      string
				got, want any
			}{
				{"format", got.Format, "ELF core"},
				{"type", got.Type, Core},
				{"os", got.OS, want.os},
				{"machine", got.Machine, want.machine},
				{"size", got.Size, want.size},
				{"needed", got.Needed, needed},
				{"truncated", got.Truncated(), want.needed != 0},
				{"threads", len(got.Threads), want.threads},
				{"first thread", got.Threads[0].TID, want.first},
				{"pid", got.PID, want.pid},
				{"has pid", got.HasPID, true},
				{"cmd", got.Cmd, want.cmd},
				{"psargs", got.Psargs, want.psargs},
				{"signal", got.Signal, want.signal},
				{"hash", got.ID.String(), want.hash},
				{"build-id", got.BuildID, want.buildID},
			} {
				if c.got != c.want {
					t.Errorf("%s: got %v, want %v", c.what, c.got, c.want)
				}
			}
			if !strings.HasSuffix(got.Executable, want.exe) || (want.exe == "") != (got.Executable == "") {
				t.Errorf("executable: got %q, want %q", got.Executable, want.exe)
			}
		})
	}
}

// TestStackPointers checks that stack pointers point into the memory of the process.
func TestStackPointers(t *testing.T) {
	odd := map[string]bool{"lldb-gcore-x86_64.core": true, "lldb-threads-x86_64.core": true} // stripped of their stacks
	for _, c := range realCores {
		if odd[c.file] {
			continue
		}
		t.Run(c.file, func(t *testing.T) {
			info := inspect(t, readCore(t, c.file))
			for _, th := range info.Threads {
				if _, ok := info.ELF.FileRange(th.SP); !ok {
					t.Errorf("thread %d: stack pointer %#x is not in the dump", th.TID, th.SP)
				}
			}
		})
	}
}

func TestModules(t *testing.T) {
	info := inspect(t, readCore(t, "pyelftools-linux64.core"))
	want := []Module{
		{"/home/max42/pyelftools/test/coredump_self", 0x400000, 0x602000, "48fa69b60eae8348d586679eb6992f568bf70954"},
		{"/lib/x86_64-linux-gnu/libc-2.23.so", 0x7fa4593ae000, 0x7fa459773000, "a594a9c73a6067ab00a0f8db78d665be147acdc1"},
		{"/lib/x86_64-linux-gnu/ld-2.23.so", 0x7fa459777000, 0x7fa45999e000, "f6dcbee8dcaae97c8bf7e73b56514e67118e6118"},
	}
	if len(info.Modules) != len(want) {
		t.Fatalf("got %d modules, want %d", len(info.Modules), len(want))
	}
	for i, w := range want {
		if info.Modules[i] != w {
			t.Errorf("got %+v, want %+v", info.Modules[i], w)
		}
	}
}

// TestTruncatedCoresKeepTheirHash checks that the hash does not depend on what follows the notes.
// To compare dumps, their sizes must therefore be compared too.
func TestTruncatedCoresKeepTheirHash(t *testing.T) {
	const file, hash = "lldb-linux-x86_64.core", "bd2063fa9b9198c4d8b37f3a7e6aea84"
	whole := readCore(t, file)
	info := inspect(t, whole)
	var end int64
	for _, s := range info.ELF.Segments {
		if s.Type == SegmentNote {
			end = max(end, int64(s.Offset+s.Filesz))
		}
	}
	for _, n := range []int64{end, end + 1, 8192, 20000, 40000, int64(len(whole)) - 1} {
		got := inspect(t, whole[:n])
		if got.ID.String() != hash {
			t.Errorf("%d bytes: got %v", n, got.ID)
		}
		if !got.Truncated() || got.PID != 32259 || got.Cmd != "a.out" {
			t.Errorf("%d bytes: truncated %v, pid %d, cmd %q", n, got.Truncated(), got.PID, got.Cmd)
		}
	}
	last := int64(bytes.LastIndexFunc(whole[:end], func(r rune) bool { return r != 0 }))
	for n := int64(0); n <= last; n += 7 {
		_, err := Inspect(bytes.NewReader(whole[:n]), n)
		id, herr := Hash(bytes.NewReader(whole[:n]), n)
		if id.String() == hash || (err == nil) != (herr == nil) {
			t.Errorf("%d bytes: %v, %v, %v", n, id, err, herr)
		}
	}
}

func TestNotDumps(t *testing.T) {
	machO := append([]byte("\xcf\xfa\xed\xfe\x07\x00\x00\x01\x03\x00\x00\x00\x04\x00\x00\x00"), make([]byte, 100)...)
	machOExe := bytes.Clone(machO)
	machOExe[12] = 2
	for _, c := range []struct{ name, content, format string }{
		{"empty", "", ""},
		{"text", "hello, world\n", ""},
		{"one byte", "\x7f", ""},
		{"executable", string(readCore(t, "lldb-linux-x86_64.exe")), "ELF executable or shared object"},
		{"object", "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + "\x01\x00" + strings.Repeat("\x00", 50), "ELF file of type 1"},
		{"ELF of class 3", "\x7fELF\x03\x01" + strings.Repeat("\x00", 100), "ELF file of unknown class or byte order"},
		{"flattened", "makedumpfile\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", "flattened kdump"},
		{"FreeBSD", "minidump FreeBSD/amd64\x00\x00", "FreeBSD minidump"},
		{"Breakpad", "MDMP\x93\xa7\x00\x00", "minidump"},
		{"Mach-O", string(machO), "Mach-O core"},
		{"Mach-O executable", string(machOExe), ""},
		{"apport", "ProblemType: Crash\nArchitecture: amd64\n", "apport report"},
		{"Windows", "PAGEDU64\x0f\x00\x00\x00", "Windows crash dump"},
		{"big-endian illumos", "\xde\xfe\xc8\xed" + strings.Repeat("\x00", 8188), "big-endian illumos crash dump"},
		{"zstd", "\x28\xb5\x2f\xfd\x04\x00\x01\x00", "zstd file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := strings.NewReader(c.content)
			_, err := Inspect(r, r.Size())
			_, herr := Hash(r, r.Size())
			for _, err := range []error{err, herr} {
				var u *UnsupportedError
				if !errors.As(err, &u) || u.Format != c.format {
					t.Errorf("got %v, want format %q", err, c.format)
				}
			}
		})
	}
}

func TestParseID(t *testing.T) {
	const s = "6433c1ccfb41929d0123456789abcdef"
	id, err := ParseID(s)
	if err != nil || id.String() != s || id.Short() != s[:16] {
		t.Errorf("got %v, %v", id, err)
	}
	for _, bad := range []string{"", s[1:], s + "0", strings.ToUpper(s), "6433c1ccfb41929d0123456789abcdeg", "../../../../../../../../../etc///"} {
		if id, err := ParseID(bad); err == nil {
			t.Errorf("%q: got %v", bad, id)
		}
	}
}
