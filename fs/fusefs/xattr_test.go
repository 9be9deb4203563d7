package fusefs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"thothfs/internal/testenv"
	"thothfs/store/mem"
)

// xattrsOf reads all attributes as getfattr does: it requests the size, then the value.
func xattrsOf(t testing.TB, path string) map[string]string {
	t.Helper()
	size, err := unix.Listxattr(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	list := make([]byte, size)
	if size > 0 {
		if size, err = unix.Listxattr(path, list); err != nil {
			t.Fatal(err)
		}
	}
	all := map[string]string{}
	for _, name := range strings.Split(strings.TrimSuffix(string(list[:size]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		size, err := unix.Getxattr(path, name, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		value := make([]byte, size)
		if size > 0 {
			if size, err = unix.Getxattr(path, name, value); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		all[name] = string(value[:size])
	}
	return all
}

func TestXattrs(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	want := map[string]string{
		"user.thoth.dump":               "/u/stor/thoth/" + hashA + "/core.node.1",
		"user.thoth.cmd":                "node",
		"user.thoth.type":               "core",
		"user.thoth.node":               "../../etc",
		"user.thoth.time":               "1373566304",
		"user.thoth.stack":              `["a+1","b+2"]`,
		"user.thoth.ticket":             "OS-1",
		"user.thoth.properties.triage":  "bmc",
		"user.thoth.properties.deep.er": "[1,2]",
	}
	for _, name := range []string{"", "/core", "/core.node.1", "/info.json", "/stack", "/properties"} {
		t.Run("dump"+name, func(t *testing.T) {
			if diff := cmp.Diff(want, xattrsOf(t, m.path("by-cmd/node", hashA)+name)); diff != "" {
				t.Error(diff)
			}
		})
	}
	value := make([]byte, 10)
	if n, err := unix.Getxattr(m.path("by-hash", hashA, "properties/triage"), "user.thoth.ticket", value); err != nil || string(value[:n]) != "OS-1" {
		t.Errorf("on a property: %q, %v", value[:n], err)
	}
	for _, name := range []string{"", "by-hash", "by-node/n2", "analyzers/fmri", ".thothfs/stats", "by-hash/" + hashA + "/properties/triage"} {
		t.Run("none on "+name, func(t *testing.T) {
			if got := xattrsOf(t, m.path(name)); len(got) != 0 {
				t.Error(got)
			}
		})
	}
}

func TestXattrSizes(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	dump := m.path("by-hash", hashA)
	get := func(name string, size int) (int, error) { return unix.Getxattr(dump, name, make([]byte, size)) }
	tests := []struct {
		name, attr string
		size, want int
		err        error
	}{
		{"probe", "user.thoth.cmd", 0, 4, nil},
		{"exact", "user.thoth.cmd", 4, 4, nil},
		{"larger", "user.thoth.cmd", 100, 4, nil},
		{"too small", "user.thoth.cmd", 3, 0, syscall.ERANGE},
		{"not set", "user.thoth.nothing", 100, 0, syscall.ENODATA},
		{"not set, probe", "user.thoth.nothing", 0, 0, syscall.ENODATA},
		{"an object", "user.thoth.properties", 100, 0, syscall.ENODATA},
		{"element of an array", "user.thoth.stack.1", 100, 3, nil},
		{"of nobody", "user.other", 100, 0, syscall.ENODATA},
		{"empty path", "user.thoth.", 100, 0, syscall.ENODATA},
		{"security", "security.selinux", 100, 0, syscall.ENODATA},
		{"capability", "security.capability", 100, 0, syscall.ENODATA},
		{"acl", "system.posix_acl_access", 100, 0, syscall.ENODATA},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, err := get(tt.attr, tt.size)
			if tt.err == nil && (err != nil || n != tt.want) || tt.err != nil && !errors.Is(err, tt.err) {
				if tt.attr == "system.posix_acl_access" && errors.Is(err, syscall.EOPNOTSUPP) {
					return // the kernel rejects the call itself
				}
				t.Errorf("got %d, %v; want %d, %v", n, err, tt.want, tt.err)
			}
		})
	}
	size, _ := unix.Listxattr(dump, nil)
	if _, err := unix.Listxattr(dump, make([]byte, size-1)); !errors.Is(err, syscall.ERANGE) {
		t.Errorf("list into too little: %v", err)
	}
	if n, err := unix.Listxattr(dump, make([]byte, size)); err != nil || n != size {
		t.Errorf("list into enough: %d, %v", n, err)
	}
}

func TestXattrLimits(t *testing.T) {
	fits, over := strings.Repeat("v", (64<<10)), strings.Repeat("v", (64<<10)+1)
	longest := strings.Repeat("n", 255-len("user.thoth."))
	m := mountStore(t, func(s *mem.Store) {
		putDump(t, s, hashA, "", nil, fmt.Sprintf(`"fits": %q, "over": %q, %q: "1", %q: "2", "nul\u0000": "3", "": "4", "a": "", "a.b": "5", "n": null`, fits, over, longest, longest+"x"))
		var many bytes.Buffer
		for i := range 3000 {
			fmt.Fprintf(&many, `"p%0100d": %d, `, i, i)
		}
		putDump(t, s, hashB, "", nil, many.String()+`"last": 1`)
	}, nil)
	got := xattrsOf(t, m.path("by-hash", hashA))
	want := map[string]string{"user.thoth.fits": fits, "user.thoth." + longest: "1", "user.thoth.a": "", "user.thoth.a.b": "5"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := unix.Getxattr(m.path("by-hash", hashA), "user.thoth.over", make([]byte, 1<<16)); !errors.Is(err, syscall.E2BIG) {
		t.Errorf("a value over 64 KiB: %v", err)
	}
	names := make([]byte, 1<<20)
	n, err := unix.Listxattr(m.path("by-hash", hashB), names)
	if err != nil || n > (64<<10) || n < (64<<10)-200 {
		t.Fatalf("a long list: %d, %v", n, err)
	}
	if list := strings.Split(string(names[:n]), "\x00"); slices.Contains(list, "user.thoth.last") || !slices.Contains(list, fmt.Sprintf("user.thoth.p%0100d", 0)) {
		t.Error("a long list is not cut at its end")
	}
	if n, err := unix.Getxattr(m.path("by-hash", hashB), "user.thoth.last", names); err != nil || string(names[:n]) != "1" {
		t.Errorf("what the list leaves out: %q, %v", names[:n], err)
	}
}

// TestListingXattrsAsksNobody checks that a walk that lists attributes, as ls -l does, makes no
// request to the store.
func TestListingXattrsAsksNobody(t *testing.T) {
	m := mountStore(t, manyDumps(20), nil)
	for _, name := range ls(t, m.path("by-hash"))[1:] { // the first hash is zero, which no dump has
		if n, err := unix.Listxattr(m.path("by-hash", name), nil); err != nil || n == 0 {
			t.Fatal(n, err)
		}
	}
	if n := m.corpus.called("dump"); n > 0 {
		t.Errorf("asked the store %d times", n)
	}
}

// TestLinksListNoXattrs checks that no link lists an attribute, since the kernel refuses to read
// user.* of a link, and that rsync, which reads all that are listed, can copy a dump and a view.
func TestLinksListNoXattrs(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	links := 0
	err := filepath.WalkDir(m.path(), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.Type()&os.ModeSymlink == 0 {
			return err
		}
		links++
		if n, err := unix.Llistxattr(path, nil); err != nil || n != 0 {
			t.Errorf("%s lists attributes in %d bytes: %v", path, n, err)
		}
		return nil
	})
	if err != nil || links < 6 {
		t.Fatalf("%d links: %v", links, err)
	}
	if n, err := unix.Llistxattr(m.path("by-hash", hashC[:10]), nil); err != nil || n != 0 {
		t.Errorf("the link of a prefix lists attributes in %d bytes: %v", n, err)
	}
	if n, err := unix.Listxattr(m.path("by-hash", hashC[:10]), nil); err != nil || n == 0 {
		t.Errorf("through the link of a prefix: %d bytes, %v", n, err)
	}
	testenv.NeedTools(t, "rsync")
	// A dry run reads all attributes, and does not depend on those that the target can hold.
	out, err := exec.Command("rsync", "-aXn", m.path("by-hash", hashA), m.path("by-node"), filepath.Join(t.TempDir(), "copy")).CombinedOutput()
	if err != nil {
		t.Errorf("rsync -aX: %v\n%s", err, out)
	}
}
