// Package testenv contains helpers that the tests of several packages share. Only tests import
// it.
package testenv

import (
	"flag"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Programs with the race detector sleep for a second before they exit, and tests start thousands.
// This affects the processes that a test starts, not the test itself.
func init() {
	if _, set := os.LookupEnv("GORACE"); !set {
		os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
}

// Missing skips a test that cannot run on this machine. Where everything must be tested
// (CI=true in the environment), it fails the test instead.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// NeedFUSE calls Missing if no file system can be mounted. It does not open /dev/fuse, because
// that alone wedges the runtime on some kernels.
func NeedFUSE(t testing.TB) {
	t.Helper()
	if err := unix.Access("/dev/fuse", unix.R_OK|unix.W_OK); err != nil {
		Missing(t, "/dev/fuse cannot be used here: %v", err)
	}
	if _, err := exec.LookPath("fusermount3"); err != nil && os.Geteuid() != 0 {
		Missing(t, "only root can mount here: fusermount3 is not installed")
	}
}

// NeedTools calls Missing unless all named programs are installed.
func NeedTools(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			Missing(t, "%s is not installed (make setup)", name)
		}
	}
}

// Eventually waits until ok returns true, and fails the test if that takes minutes. It is for
// effects of another process or goroutine. It polls at increasing intervals, because ok may
// start processes, and other tests run at the same time.
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

// Parallelize runs more tests in parallel than there are processors, unless -parallel is given. It
// is for packages whose tests mostly wait for stores, mounts and processes; TestMain calls it.
func Parallelize() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		flag.Set("test.parallel", strconv.Itoa(4*runtime.GOMAXPROCS(0)))
	}
}
