package fusefs

import (
	"os/exec"
	"strings"
	"testing"
)

// TestChildrenDoNotInheritTheMount checks that child processes do not inherit the connection to the
// kernel, which would keep the mount alive after this process has ended.
func TestChildrenDoNotInheritTheMount(t *testing.T) {
	mountStore(t, threeDumps(t), nil)
	said, err := exec.Command("ls", "-l", "/proc/self/fd").CombinedOutput()
	if err != nil || !strings.Contains(string(said), "/fd") || strings.Contains(string(said), "/dev/fuse") {
		t.Errorf("%v, a child has open:\n%s", err, said)
	}
}
