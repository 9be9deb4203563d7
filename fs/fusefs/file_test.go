package fusefs

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thothfs/store"
	"thothfs/store/mem"
)

// noise returns n reproducible bytes that do not compress well.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	r.Read(b)
	return b
}

func oneDump(t testing.TB, content []byte) func(*mem.Store) {
	return func(s *mem.Store) { putDump(t, s, hashA, "core.x.1", content, `"cmd": "x", "type": "core"`) }
}

func TestRead(t *testing.T) {
	content := noise(1, 3<<20+777)
	m := mountStore(t, oneDump(t, content), nil)
	f, err := os.Open(m.path("by-hash", hashA, "core"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, r := range []struct{ off, n int }{
		{0, 1}, {0, 4096}, {4095, 2}, {1 << 20, 1 << 20}, {len(content) - 5, 5}, {len(content) - 5, 100}, {len(content), 10}, {len(content) + 1<<20, 10}, {0, len(content)},
	} {
		got := make([]byte, r.n)
		n, err := f.ReadAt(got, int64(r.off))
		want := content[min(r.off, len(content)):min(r.off+r.n, len(content))]
		if !bytes.Equal(got[:n], want) || (err == nil) != (n == r.n) || err != nil && err != io.EOF {
			t.Errorf("at %d: %d of %d bytes, %v", r.off, n, r.n, err)
		}
	}
}

func TestStat(t *testing.T) {
	m := mountStore(t, oneDump(t, noise(1, 100000)), nil)
	var st unix.Stat_t
	if err := unix.Stat(m.path("by-hash", hashA, "core"), &st); err != nil {
		t.Fatal(err)
	}
	if st.Size != 100000 || st.Blksize != 4096 || st.Mtim.Sec != 1600000000 || st.Nlink != 1 || st.Mode != (unix.S_IFREG|0o444) || int(st.Uid) != os.Geteuid() {
		t.Errorf("%+v", st)
	}
	if st.Blocks < 1 {
		t.Error("no blocks: tar -S would take the dump for a hole")
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(m.dir, &fs); err != nil || fs.Namelen != 255 || fs.Bsize != 4096 {
		t.Errorf("statfs: %+v, %v", fs, err)
	}
}

func TestSeekData(t *testing.T) {
	m := mountStore(t, oneDump(t, noise(1, 10000)), nil)
	for _, name := range []string{"core", "info.json"} {
		f, err := os.Open(m.path("by-hash", hashA, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fi, _ := f.Stat()
		for _, tt := range []struct {
			off    int64
			whence int
			want   int64
			err    error
		}{
			{0, unix.SEEK_DATA, 0, nil}, {5, unix.SEEK_DATA, 5, nil}, {0, unix.SEEK_HOLE, fi.Size(), nil},
			{fi.Size(), unix.SEEK_DATA, 0, syscall.ENXIO}, {fi.Size(), unix.SEEK_HOLE, 0, syscall.ENXIO}, {-3, io.SeekEnd, fi.Size() - 3, nil},
		} {
			got, err := f.Seek(tt.off, tt.whence)
			if tt.err == nil && (err != nil || got != tt.want) || tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("%s: seek %d by %d: %d, %v", name, tt.off, tt.whence, got, err)
			}
		}
	}
}

// TestReplaced replaces an object while it is being read. A new open must see the new version; the
// old handle may only return bytes of the old version, never a mixture.
func TestReplaced(t *testing.T) {
	first, second := noise(1, 8<<20), noise(2, 8<<20+1)
	m := mountStore(t, oneDump(t, first), nil)
	name := m.path("by-hash", hashA, "core.x.1")
	old, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	head := make([]byte, 4096)
	if _, err := old.ReadAt(head, 0); err != nil {
		t.Fatal(err)
	}
	m.store.SetTime(hashA+"/core.x.1", second, time.Unix(1600000000, 0))
	if got := read(t, name); got != string(second) {
		t.Error("a new open does not see the new version")
	}
	if _, err := old.ReadAt(head, 0); err != nil || !bytes.Equal(head, first[:4096]) {
		t.Errorf("what was read is not there any more: %v", err)
	}
	if n, err := old.ReadAt(head, 7<<20); !errors.Is(err, syscall.ESTALE) {
		t.Errorf("the old handle got %d bytes, %v; want ESTALE", n, err)
	}
	if got := read(t, name); got != string(second) {
		t.Error("the new version was spoilt by the old handle")
	}
}

func TestDocumentChanges(t *testing.T) {
	m := mountStore(t, oneDump(t, nil), nil)
	name := m.path("by-hash", hashA, "info.json")
	before := read(t, name)
	open, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	putDump(t, m.store, hashA, "core.x.1", nil, `"cmd": "x", "type": "core", "ticket": "OS-77", "long": "longer than before"`)
	if after := read(t, name); after == before || !bytes.Contains([]byte(after), []byte("OS-77")) {
		t.Errorf("a new open shows %q", after)
	}
	if got, _ := io.ReadAll(open); string(got) != before {
		t.Errorf("the old handle shows %q", got)
	}
}

// TestObjectNames checks objects with difficult names or the names of virtual files.
func TestObjectNames(t *testing.T) {
	objects := map[string]string{ // name in the store to name in the mount
		"..": "%2E%2E", ".": "%2E", "a b=c": "a b=c", "100%": "100%25", "line\nbreak": "line%0Abreak", "caf\xc3\xa9": "caf\xc3\xa9", "bad\xff": "bad%FF",
		"stack": "stack", "dump": "dump", "core": "core", "properties": "properties",
	}
	m := mountStore(t, func(s *mem.Store) {
		for name := range objects {
			s.Set(hashA+"/"+name, []byte("object "+name))
		}
		putDump(t, s, hashA, "core", []byte("object core"), `"type": "core", "stack": ["f"], "properties": {"p": 1, "": 2, "/": 3, "..": 4, "a=b": 5, "gone": null}`)
		s.Set(hashA+"/.thothfs.hot", []byte("ours"))
		putDump(t, s, hashB, "core.b", nil, `"type": "core", "properties": {"p": 1, "": 2, "/": 3, "..": 4, "a=b": 5, "gone": null}`)
	}, nil)
	listed := ls(t, m.path("by-hash", hashA))
	if len(listed) != len(objects)+1 {
		t.Errorf("%d names: %q", len(listed), listed)
	}
	for name, shown := range objects {
		if got := read(t, m.path("by-hash", hashA)+"/"+shown); got != "object "+name {
			t.Errorf("%q holds %q", shown, got)
		}
	}
	for shown, want := range map[string]string{"p": "1\n", "%": "2\n", "%2F": "3\n", "%2E%2E": "4\n", "a=b": "5\n"} {
		if got := read(t, m.path("by-hash", hashB, "properties")+"/"+shown); got != want {
			t.Errorf("property %q holds %q", shown, got)
		}
	}
	if got := ls(t, m.path("by-hash", hashB, "properties")); len(got) != 5 {
		t.Errorf("properties: %q", got)
	}
	if _, err := os.Lstat(filepath.Join(m.path("by-hash", hashA), ".thothfs.hot")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("our own object: %v", err)
	}
}

func TestLongObjectName(t *testing.T) {
	long := string(bytes.Repeat([]byte("n"), 300))
	m := mountStore(t, func(s *mem.Store) {
		putDump(t, s, hashA, "core", nil, `"type": "core"`)
		s.Set(hashA+"/"+long, []byte("found"))
	}, nil)
	for _, name := range ls(t, m.path("by-hash", hashA)) {
		if len(name) > 200 && read(t, m.path("by-hash", hashA, name)) == "found" {
			return
		}
	}
	t.Error("an object with a name of 300 bytes is not there")
}

// TestReadFaults checks the errno of read(2) for each error of the store.
func TestReadFaults(t *testing.T) {
	for kind, want := range map[error]syscall.Errno{
		store.ErrUnavailable: syscall.EIO,
		store.ErrCorrupt:     syscall.EIO,
		store.ErrPermission:  syscall.EACCES,
		store.ErrNotExist:    syscall.ENOENT,
		store.ErrStale:       syscall.ESTALE,
	} {
		t.Run(kind.Error(), func(t *testing.T) {
			content := noise(3, 1<<20)
			m := mountStore(t, oneDump(t, content), nil)
			f, err := os.Open(m.path("by-hash", hashA, "core"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			m.store.Inject(mem.Fault{Op: mem.Read, Times: mem.Always, Kind: kind})
			if _, err := f.ReadAt(make([]byte, 10), 0); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
			m.store.Heal()
			if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, content) {
				t.Errorf("healed: %v", err)
			}
		})
	}
}
