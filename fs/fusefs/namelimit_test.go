package fusefs

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLongNames checks that a name of more than 255 bytes causes ENAMETOOLONG in every call and
// every directory, and that a name of 255 bytes is looked up.
func TestLongNames(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	long := strings.Repeat("n", 256)
	for _, dir := range []string{"", "by-hash", "by-hash/" + hashA, "by-hash/" + hashA + "/properties", "by-cmd", "by-node/n2",
		"by-ticket", "by-ticket/OS-1", "by-time", "by-time/2013", "query", "analyzers", ".thothfs"} {
		name := m.path(dir, long)
		from := m.path("by-hash", hashA, "properties/triage")
		for call, err := range map[string]error{
			"stat":     second(os.Stat(name)),
			"create":   second(os.Create(name)),
			"mkdir":    os.Mkdir(name, 0o755),
			"mknod":    unix.Mknod(name, unix.S_IFREG|0o600, 0),
			"symlink":  os.Symlink("x", name),
			"link":     os.Link(from, name),
			"rename":   os.Rename(from, name),
			"unlink":   syscall.Unlink(name),
			"rmdir":    syscall.Rmdir(name),
			"truncate": os.Truncate(name, 0),
			"setxattr": unix.Setxattr(name, "user.thoth.ticket", []byte("x"), 0),
		} {
			if !errors.Is(err, syscall.ENAMETOOLONG) {
				t.Errorf("%s in %q: %v", call, dir, err)
			}
		}
		if _, err := os.Stat(name[:len(name)-1]); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("255 bytes in %q: %v", dir, err)
		}
	}
}
