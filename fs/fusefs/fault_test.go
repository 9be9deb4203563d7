package fusefs

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"thothfs/store/mem"
	"thothfs/store/storetest"
)

// allowed lists the errnos that a fault of the store may cause.
var allowed = []syscall.Errno{syscall.EIO, syscall.EACCES, syscall.ENOENT, syscall.ESTALE, syscall.ETIMEDOUT, syscall.ENODATA}

// TestFaultLoop uses the mount while the n-th call to the store fails, for every n. Every result
// must be right or an allowed errno, and everything must work once the store works again.
func TestFaultLoop(t *testing.T) {
	content := noise(9, 300_000)
	faults := slices.DeleteFunc(storetest.AllFaults(), func(f mem.Fault) bool { return f.AfterApply }) // for writes only
	storetest.Faults(t, faults, func(t *testing.T, arm func(*mem.Faulty)) {
		s := mem.New()
		threeDumps(t)(s)
		oneDump(t, content)(s)
		c, mnt := mountCorpus(t, s, openCache(t, s))
		arm(s.Faulty)
		c.Sync(t.Context(), nil)
		for _, err := range useMount(t, mnt, content) {
			var errno syscall.Errno
			if !errors.As(err, &errno) || !slices.Contains(allowed, errno) {
				t.Errorf("under a fault: %v", err)
			}
		}
		s.Heal()
		if err := c.Sync(t.Context(), nil); err != nil {
			t.Error(err)
		}
		eventually(t, "everything is right again", func() bool { return len(useMount(t, mnt, content)) == 0 })
	})
}

// useMount makes the calls that users make and returns their errors. Wrong data fails the test.
func useMount(t *testing.T, mnt string, content []byte) (failed []error) {
	dump := filepath.Join(mnt, "by-hash", hashA)
	try := func(do func() error) {
		if err := do(); err != nil {
			failed = append(failed, err)
		}
	}
	for _, dir := range []string{"by-hash", "by-cmd/x", "by-node/n2", "by-hash/" + hashA, "by-hash/" + hashA + "/properties", "analyzers", "query/type=core", "by-time"} {
		try(func() error { return second(os.ReadDir(filepath.Join(mnt, dir))) })
	}
	for name, want := range map[string]string{
		dump + "/core":                       string(content),
		dump + "/info.json":                  "",
		filepath.Join(mnt, "analyzers/fmri"): "echo $THOTH_DUMP\n",
	} {
		try(func() error {
			got, err := os.ReadFile(name)
			if err == nil && want != "" && string(got) != want {
				t.Errorf("%s holds other bytes", name)
			}
			return err
		})
	}
	try(func() error {
		value := make([]byte, 100)
		n, err := unix.Getxattr(dump, "user.thoth.cmd", value)
		if err == nil && string(value[:n]) != "x" {
			t.Errorf("cmd is %q", value[:n])
		}
		return err
	})
	try(func() error { return second(unix.Listxattr(dump, make([]byte, 1000))) })
	return failed
}
