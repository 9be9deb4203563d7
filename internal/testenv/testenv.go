// Package testenv has what tests of several packages need from the machine and from each
// other. Only tests import it.
package testenv

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Missing skips a test that cannot run here. Where everything must be tested (CI=true in
// the environment) it fails the test.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// NeedFUSE calls Missing where no file system can be mounted. It does not open /dev/fuse:
// on some kernels that alone wedges the runtime.
func NeedFUSE(t testing.TB) {
	t.Helper()
	if err := unix.Access("/dev/fuse", unix.R_OK|unix.W_OK); err != nil {
		Missing(t, "/dev/fuse cannot be used here: %v", err)
	}
	if _, err := exec.LookPath("fusermount3"); err != nil && os.Geteuid() != 0 {
		Missing(t, "only root can mount here: fusermount3 is not installed")
	}
}

// NeedTools calls Missing unless all programs are installed.
func NeedTools(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			Missing(t, "%s is not installed (make setup)", name)
		}
	}
}

// Eventually waits until ok returns true, and fails the test when that takes minutes. It is
// for what another process or goroutine brings about. It polls less and less often: ok may
// start processes, and other tests run meanwhile.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	const limit = 3 * time.Minute
	deadline := time.Now().Add(limit)
	for pause := time.Millisecond; !ok(); pause = min(pause*5/4+1, 100*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(pause)
	}
}
