package fusefs

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"thothfs/corpus"
	"thothfs/dump/document"
	"thothfs/store"
)

// stored returns the value at a path in a stored document as JSON, or "" if there is none.
func (m *mounted) stored(t testing.TB, hash, path string) string {
	t.Helper()
	v, ok := document.Parse(mustData(t, m.store, hash+"/info.json")).Get(path)
	if !ok {
		return ""
	}
	return string(v.JSON())
}

func TestSetxattr(t *testing.T) {
	for _, tt := range []struct {
		name, attr, value string
		flags             int
		want              string // stored, as JSON
		err               error
	}{
		{"replace a ticket", "ticket", "OS-2", 0, `"OS-2"`, nil},
		{"a ticket is a string", "ticket", "123", 0, `"123"`, nil},
		{"empty ticket", "ticket", "", 0, `"OS-1"`, syscall.EINVAL},
		{"new", "properties.new", "v", 0, `"v"`, nil},
		{"empty", "properties.new", "", 0, `""`, nil},
		{"number", "properties.new", "2.50", 0, `2.50`, nil},
		{"object", "properties.new", `{"a": [1]}`, 0, `{"a": [1]}`, nil},
		{"boolean", "properties.new", `true`, 0, `true`, nil},
		{"null is a word", "properties.new", `null`, 0, `"null"`, nil},
		{"a newline stays", "properties.new", "a\n", 0, `"a\n"`, nil},
		{"nested", "properties.triage2.engineer", "bmc", 0, `"bmc"`, nil},
		{"beside a nested one", "properties.deep.new", "x", 0, `"x"`, nil},
		{"through a string", "properties.triage.engineer", "bmc", 0, "", syscall.EINVAL},
		{"not UTF-8", "properties.new", "a\xff", 0, "", syscall.EINVAL},
		{"create", "properties.new", "v", unix.XATTR_CREATE, `"v"`, nil},
		{"create what is there", "properties.triage", "v", unix.XATTR_CREATE, `"bmc"`, syscall.EEXIST},
		{"create a ticket that is there", "ticket", "OS-2", unix.XATTR_CREATE, `"OS-1"`, syscall.EEXIST},
		{"replace", "properties.triage", "v", unix.XATTR_REPLACE, `"v"`, nil},
		{"replace what is not there", "properties.new", "v", unix.XATTR_REPLACE, "", syscall.ENODATA},
		{"64 KiB", "properties.new", strings.Repeat("v", (64 << 10)), 0, `"` + strings.Repeat("v", (64<<10)) + `"`, nil},
		{"more than 64 KiB", "properties.new", strings.Repeat("v", (64<<10)+1), 0, "", syscall.E2BIG},
		{"read-only field", "cmd", "other", 0, `"node"`, syscall.EPERM},
		{"unknown field", "nothing", "x", 0, "", syscall.EPERM},
		{"all properties", "properties", "x", 0, `{ "triage": "bmc", "deep": {"er": [1, 2]} }`, syscall.EPERM},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := mountStore(t, threeDumps(t), nil)
			err := unix.Setxattr(m.path("by-hash", hashA), "user.thoth."+tt.attr, []byte(tt.value), tt.flags)
			if tt.err == nil && err != nil || !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
			if got := m.stored(t, hashA, tt.attr); got != tt.want {
				t.Errorf("the store has %.200s, want %.200s", got, tt.want)
			}
			if err != nil {
				return
			}
			got := make([]byte, (64 << 10))
			n, err := unix.Getxattr(m.path("by-cmd/node", hashA, "core"), "user.thoth."+tt.attr, got)
			if v, _ := document.Parse([]byte(`{"v":` + tt.want + `}`)).Get("v"); v.Kind() != document.KindObject && (err != nil || string(got[:n]) != v.Text()) {
				t.Errorf("reads %q, %v", got[:n], err)
			}
		})
	}
}

// TestSetxattrThroughLinks checks that attributes can be set on a dump and all its files, by any
// path.
func TestSetxattrThroughLinks(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	for _, dir := range []string{"by-hash", "by-cmd/node", "by-ticket/OS-1", "by-type/core", "by-time/2013/07/11", "query/type=core", "by-cmd/node/type=core"} {
		for _, name := range []string{"", "/core", "/core.node.1", "/info.json", "/stack", "/properties", "/properties/triage", "/dump"} {
			path := m.path(dir, hashA) + name
			if err := unix.Setxattr(path, "user.thoth.properties.at", []byte(dir+name), 0); err != nil {
				t.Errorf("%s: %v", path, err)
			} else if got := m.stored(t, hashA, "properties.at"); got != `"`+dir+name+`"` {
				t.Errorf("%s: stored %s", path, got)
			}
		}
	}
}

func TestRemovexattr(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	path := m.path("by-cmd/node", hashA, "core")
	for _, tt := range []struct {
		attr string
		err  error
	}{
		{"user.thoth.ticket", nil}, {"user.thoth.ticket", syscall.ENODATA},
		{"user.thoth.properties.triage", nil}, {"user.thoth.properties.triage", syscall.ENODATA},
		{"user.thoth.properties.deep.er", nil},
		{"user.thoth.cmd", syscall.EPERM}, {"user.thoth.nothing", syscall.EPERM},
		{"user.foo", syscall.ENODATA}, {"security.capability", syscall.ENODATA},
	} {
		if err := unix.Removexattr(path, tt.attr); tt.err == nil && err != nil || !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, want %v", tt.attr, err, tt.err)
		}
	}
	if got := m.stored(t, hashA, "ticket") + m.stored(t, hashA, "properties.triage"); got != "" {
		t.Errorf("the store has %s", got)
	}
}

// TestSetxattrForeign checks attributes outside user.thoth, and nodes that belong to no dump.
func TestSetxattrForeign(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	for _, tt := range []struct {
		path, attr string
		err        error
	}{
		{"by-hash/" + hashA, "user.foo", syscall.EOPNOTSUPP},
		{"by-hash/" + hashA, "user.thothx", syscall.EOPNOTSUPP},
		{"by-hash/" + hashA + "/core", "security.other", syscall.EOPNOTSUPP},
		{"by-hash/" + hashA + "/core", "trusted.x", syscall.EOPNOTSUPP},
		{"by-hash", "user.thoth.ticket", syscall.EPERM},
		{"", "user.thoth.ticket", syscall.EPERM},
		{"by-ticket/OS-1", "user.thoth.ticket", syscall.EPERM},
		{"analyzers/fmri", "user.thoth.ticket", syscall.EPERM},
		{"analyzers", "user.foo", syscall.EOPNOTSUPP},
	} {
		err := unix.Setxattr(m.path(tt.path), tt.attr, []byte("x"), 0)
		if tt.attr == "trusted.x" && os.Geteuid() != 0 {
			continue
		}
		if !errors.Is(err, tt.err) {
			t.Errorf("%s of %s: %v, want %v", tt.attr, tt.path, err, tt.err)
		}
	}
}

// TestXattrTooBigSaysWhereElse checks that if a value is too big for an attribute, the log names
// the file that contains it.
func TestXattrTooBigSaysWhereElse(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	big := bytes.Repeat([]byte("v"), (64<<10)+1)
	if err := os.WriteFile(m.path("by-hash", hashA, "properties/big"), big, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Getxattr(m.path("by-hash", hashA), "user.thoth.properties.big", make([]byte, 10)); !errors.Is(err, syscall.E2BIG) {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(m.log.String(), "properties/NAME") {
		t.Errorf("the log says %s", m.log)
	}
}

// TestSetxattrMovesTheViews checks that when setxattr returns, the views of this mount show the
// change, whatever the kernel had cached.
func TestSetxattrMovesTheViews(t *testing.T) {
	m := mountForAnHour(t, threeDumps(t))
	has := func(dir, name string) bool {
		if !exists(m.path(dir)) {
			return false
		}
		listed := false
		for _, n := range ls(t, m.path(dir)) {
			listed = listed || n == name
		}
		if there := exists(m.path(dir, name)); there != listed {
			t.Errorf("%s/%s is listed: %v, is there: %v", dir, name, listed, there)
		}
		if _, err := os.Stat(m.path(dir, name)); (err == nil) != listed { // follows a link
			t.Errorf("%s/%s is listed: %v, leads somewhere: %v", dir, name, listed, err)
		}
		return listed
	}
	tickets := []string{"OS-1", "OS-2", "OS-3"}
	for round := range 20 {
		ticket := tickets[round%3]
		for _, other := range tickets { // make the kernel cache everything
			has("by-ticket", other)
			has("by-ticket/"+other, hashA)
			has("query/ticket="+other, hashA)
		}
		if err := unix.Setxattr(m.path("by-cmd/node", hashA), "user.thoth.ticket", []byte(ticket), 0); err != nil {
			t.Fatal(err)
		}
		for _, other := range tickets {
			for dir, name := range map[string]string{"by-ticket": other, "by-ticket/" + other: hashA, "query/ticket=" + other: hashA} {
				if has(dir, name) != (other == ticket) {
					t.Fatalf("round %d, ticket %s: %s/%s is there: %v", round, ticket, dir, name, other != ticket)
				}
			}
		}
	}
	if has("by-signature", "S") {
		t.Fatal("a signature before there is one")
	}
	if err := unix.Setxattr(m.path("by-hash", hashA), "user.thoth.properties.signature", []byte("S"), 0); err != nil {
		t.Fatal(err)
	}
	if !has("by-signature", "S") || !has("by-signature/S", hashA) {
		t.Error("no view of the signature")
	}
}

// TestOthersMayNotWrite checks that other users may only read, since the store would see their
// changes as the owner's.
func TestOthersMayNotWrite(t *testing.T) {
	if os.Geteuid() != 0 {
		missing(t, "only root can become somebody else")
	}
	m := mountStore(t, threeDumps(t), func(o *Options) { o.AllowOther = true })
	if err := os.Chmod(t.TempDir()+"/..", 0o755); err != nil {
		t.Fatal(err)
	}
	for dir := m.dir; dir != "/" && dir != os.TempDir(); dir = dir[:strings.LastIndex(dir, "/")] {
		os.Chmod(dir, 0o755) // the mount itself returns EROFS
	}
	as := func(script string) string {
		cmd := exec.Command("bash", "-c", "cd $M; "+script)
		cmd.Dir, cmd.Env = "/", append(os.Environ(), "LC_ALL=C", "M="+m.dir, "A="+hashA)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
	if got := as("cat by-hash/$A/properties/triage"); got != "bmc\n" {
		t.Fatalf("others cannot read: %s", got)
	}
	before := seen(m.dir)
	for _, script := range []string{
		"setfattr -n user.thoth.ticket -v X by-hash/$A", "setfattr -x user.thoth.ticket by-hash/$A",
		"echo x > by-hash/$A/properties/triage", "echo x >> by-hash/$A/properties/new", "rm -f by-hash/$A/properties/triage",
		"mv by-hash/$A/properties/triage by-hash/$A/properties/b", "truncate -s 0 by-hash/$A/properties/triage",
		"chmod 600 analyzers/fmri", "echo x > analyzers/new", "rm -f analyzers/fmri",
		"mkdir by-ticket/new", "rm by-ticket/OS-1/$A", "ln -s ../../by-hash/" + hashB + " by-ticket/OS-1/",
	} {
		if got := as(script); !strings.Contains(got, "Permission denied") {
			t.Errorf("%s: %q", script, got)
		}
	}
	if got := as("test -w by-hash/$A/properties/triage || test -w analyzers && echo writable"); got != "" {
		t.Error("access(2) says that others may write")
	}
	if after := seen(m.dir); len(after) != len(before) || after["by-hash/"+hashA+"/properties/triage"] != "bmc\n" {
		t.Error("something has changed")
	}
}

// TestEditFaults checks the errno of setxattr and close for each error of an edit.
func TestEditFaults(t *testing.T) {
	for err, want := range map[error]syscall.Errno{
		error(&store.Error{Op: "put", Kind: store.ErrUnavailable}):                        syscall.EIO,
		error(&store.Error{Op: "put", Kind: store.ErrPermission}):                         syscall.EACCES,
		error(&store.Error{Op: "put", Kind: store.ErrConflict}):                           syscall.EBUSY,
		error(&document.DamagedError{Damage: "cut off"}):                                  syscall.EIO,
		error(&store.Error{Op: "put", Kind: store.ErrNotExist}):                           syscall.ENOENT,
		error(&store.Error{Op: "put", Kind: store.ErrTooLarge, Err: corpus.ErrAmbiguous}): syscall.ENOTUNIQ,
	} {
		t.Run(err.Error(), func(t *testing.T) {
			m := mountStore(t, threeDumps(t), nil)
			f, oerr := os.OpenFile(m.path("by-hash", hashA, "properties/triage"), os.O_WRONLY|os.O_TRUNC, 0)
			if oerr != nil {
				t.Fatal(oerr)
			}
			f.WriteString("unstored")
			m.corpus.failing("edit", err)
			if got := unix.Setxattr(m.path("by-hash", hashA), "user.thoth.ticket", []byte("x"), 0); !errors.Is(got, want) {
				t.Errorf("setxattr: %v, want %v", got, want)
			}
			if got := f.Sync(); !errors.Is(got, want) {
				t.Errorf("fsync: %v, want %v", got, want)
			}
			if got := f.Close(); !errors.Is(got, want) {
				t.Errorf("close: %v, want %v", got, want)
			}
			if want != syscall.ENOENT && want != syscall.ENOTUNIQ && !strings.Contains(m.log.String(), err.Error()) {
				t.Errorf("the log does not say why: %s", m.log)
			}
			m.corpus.failing("edit", nil)
			if got := m.stored(t, hashA, "properties.triage") + m.stored(t, hashA, "ticket"); got != `"bmc""OS-1"` {
				t.Errorf("the store has %s", got)
			}
			eventually(t, "what was not stored is forgotten", func() bool { return read(t, m.path("by-hash", hashA, "properties/triage")) == "bmc\n" })
		})
	}
}
