package fusefs

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestMountErrorsInWords(t *testing.T) {
	if _, err := os.Stat("/dev/fuse"); err != nil {
		missing(t, "/dev/fuse is not there")
	}
	for err, want := range map[error]string{
		&exec.Error{Name: "fusermount", Err: exec.ErrNotFound}: "fusermount3 is not installed",
		errors.New("fusermount exited with code 256\n"):        "fusermount3 refused the mount",
		syscall.EPERM: "operation not permitted",
	} {
		if got := explain(err).Error(); !strings.Contains(got, want) || strings.Contains(got, "256") {
			t.Errorf("%v: %s", err, got)
		}
	}
}
