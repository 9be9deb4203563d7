package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestOtherMountsSeeATicketAtTheirNextPoll checks that a ticket set through one mount appears in
// the views of a mount on another machine, even if the dump is not accessed there.
func TestOtherMountsSeeATicketAtTheirNextPoll(t *testing.T) {
	t.Parallel()
	w, _ := newMantaWorld(t, time.Millisecond)
	id := w.aCore()
	w.mount("--poll=100ms")
	other := *w
	other.mnt = t.TempDir()
	other.setenv("THOTHFS_CACHE_DIR=" + t.TempDir())
	other.mount("--poll=100ms")
	waitFor(t, "both know the dump", func() bool {
		return w.sh("ls "+w.mnt+"/by-hash "+other.mnt+"/by-hash | grep -c "+id+" || true") == "2\n"
	})
	w.sh("setfattr -n user.thoth.ticket -v OS-7 " + filepath.Join(w.mnt, "by-hash", id))
	waitFor(t, "the other sees the ticket", func() bool {
		return strings.TrimSpace(w.sh("ls "+other.mnt+"/by-ticket")) == "OS-7"
	})
	if names := w.sh("ls -A " + other.mnt); strings.Contains(names, ".thothfs") {
		t.Errorf("the log shows: %s", names)
	}
}
