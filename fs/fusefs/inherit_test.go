package fusefs

import (
	"os/exec"
	"strings"
	"testing"
)

// What we start has no connection to the kernel: it would hold the mount up after us.
func TestChildrenDoNotInheritTheMount(t *testing.T) {
	mountStore(t, threeDumps(t), nil)
	said, err := exec.Command("ls", "-l", "/proc/self/fd").CombinedOutput()
	if err != nil || !strings.Contains(string(said), "/fd") || strings.Contains(string(said), "/dev/fuse") {
		t.Errorf("%v, a child has open:\n%s", err, said)
	}
}
