package fusefs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thothfs/store"
	"thothfs/store/dir"
	"thothfs/store/manta"
	"thothfs/store/manta/mantatest"
)

// TestWritesFailEarly checks that a write that cannot be stored fails when the file is opened,
// because bash ignores the error of close(2).
func TestWritesFailEarly(t *testing.T) {
	for _, tt := range []struct {
		name  string
		on    mantatest.On
		fault func(t *testing.T) mantatest.Action
		first string // makes the failure known, if an open alone cannot detect it
		says  string
	}{
		{"stopped", mantatest.On{}, resets, "", "Input/output error"},
		{"silent", mantatest.On{}, swallows, "", "Input/output error"},
		{"forbidden", mantatest.On{Method: "PUT"}, answers(403, "AuthorizationFailed"), "", "Permission denied"},
		{"full", mantatest.On{Method: "PUT"}, answers(507, "NotEnoughSpace"), "setfattr -n user.thoth.ticket -v T by-hash/$A; ", "No space left on device"},
	} {
		t.Run("manta "+tt.name, func(t *testing.T) {
			t.Parallel() // some wait for the store
			s, srv := openManta(t)
			fill(t, s)
			w := newWorld(t, s, time.Minute)
			w.sh(t, "ls by-hash/$A/* analyzers") // cache their lists
			heal := srv.Fault(tt.on, tt.fault(t))
			w.failsEarly(t, tt.first, tt.says)
			heal()
			w.writesAgain(t)
		})
	}
}

// TestWritesFailEarlyInADumpNotListed does the same in a dump whose directory has never been
// listed. Its properties and its stack do not depend on the store.
func TestWritesFailEarlyInADumpNotListed(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(t *testing.T) mantatest.Action
	}{
		{"stopped", resets},
		{"silent", swallows},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // some wait for the store
			s, srv := openManta(t)
			fill(t, s)
			w := newWorld(t, s, time.Minute)
			w.sh(t, "ls by-hash")
			heal := srv.Fault(mantatest.On{}, tt.fault(t))
			if got := w.sh(t, "ls by-hash/$A/properties && cat by-hash/$A/properties/triage"); got != "triage\nbmc\n" {
				t.Errorf("the properties: %q", got)
			}
			if got := w.sh(t, "echo x >by-hash/$A/properties/foo"); !strings.Contains(got, "Input/output error") || !strings.Contains(got, "exit status 1") {
				t.Errorf("writing: %q", got)
			}
			heal()
			w.writesAgain(t)
		})
	}
}

func openManta(t *testing.T) (store.Store, *mantatest.Server) {
	srv := mantatest.Start(t, mantatest.Options{})
	s, err := manta.Open(manta.Options{URL: srv.URL, Account: "u", NoAuth: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, srv
}

func resets(*testing.T) mantatest.Action { return mantatest.Reset() }

// swallows leaves requests unanswered until the test ends.
func swallows(t *testing.T) mantatest.Action {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	return mantatest.Before(func() { <-release })
}

func answers(status int, code string) func(*testing.T) mantatest.Action {
	return func(*testing.T) mantatest.Action { return mantatest.AnswerError(status, code, "no") }
}

// failsEarly opens files for writing in all ways. Nothing may be stored, and bash must report the
// error.
func (w *world) failsEarly(t *testing.T, first, says string) {
	t.Helper()
	if first != "" {
		w.sh(t, first)
	}
	for _, line := range []string{
		"echo x >by-hash/$A/properties/foo",
		"echo x >by-hash/$A/properties/triage",
		"echo x >>by-hash/$A/properties/triage",
		"echo x >analyzers/foo",
		"echo x >analyzers/old",
	} {
		if got := w.sh(t, line); !strings.Contains(got, says) || !strings.Contains(got, "exit status 1") {
			t.Errorf("%s: %q, want %q", line, got, says)
		}
	}
}

// writesAgain waits until files can be written again.
func (w *world) writesAgain(t *testing.T) {
	t.Helper()
	if got := w.stored(t, hashA, "properties"); got != `{ "triage": "bmc" }` {
		t.Errorf("the store has %s", got)
	}
	eventually(t, "it can be written", func() bool {
		return w.sh(t, "echo x >by-hash/$A/properties/foo && echo x >analyzers/foo") == ""
	})
	if got := w.stored(t, hashA, "properties.foo"); got != `"x"` {
		t.Errorf("the store has %s", got)
	}
	if got := w.sh(t, "cat analyzers/foo"); got != "x\n" {
		t.Errorf("the analyzer is %q", got)
	}
}

// TestWritesFailEarlyInADirectory does the same in a local directory: on a full disk, on a
// read-only one, and without permission for parts of it.
func TestWritesFailEarlyInADirectory(t *testing.T) {
	needFUSE(t)
	t.Run("full", func(t *testing.T) {
		w, root := onSmallDisk(t)
		fillDisk(t, root)
		w.failsEarly(t, "", "No space left on device")
		if err := os.Remove(filepath.Join(root, "filler")); err != nil {
			t.Fatal(err)
		}
		w.writesAgain(t)
	})
	t.Run("read-only", func(t *testing.T) {
		w, root := onSmallDisk(t)
		remount(t, root, unix.MS_RDONLY)
		w.failsEarly(t, "", "Read-only file system")
		remount(t, root, 0)
		w.writesAgain(t)
	})
	t.Run("denied", func(t *testing.T) {
		if os.Geteuid() == 0 {
			asOrdinaryUser(t, "^TestWritesFailEarlyInADirectory$/^denied$")
			return
		}
		w, root := newDirWorld(t, t.TempDir())
		for _, closed := range []string{root, filepath.Join(root, hashA), filepath.Join(root, "analyzers")} {
			if err := os.Chmod(closed, 0o500); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.Chmod(closed, 0o700) })
		}
		w.failsEarly(t, "", "Permission denied")
		if got := w.sh(t, "echo x >by-hash/$B/properties/foo"); got != "" {
			t.Errorf("another dump: %s", got)
		}
		os.Chmod(filepath.Join(root, hashA), 0o700)
		os.Chmod(filepath.Join(root, "analyzers"), 0o700)
		w.writesAgain(t)
	})
}

func newDirWorld(t *testing.T, root string) (*world, string) {
	t.Helper()
	s, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	fill(t, s)
	return newWorld(t, s, time.Minute), root
}

// onSmallDisk returns a world whose corpus is on its own file system of 1 MiB.
func onSmallDisk(t *testing.T) (*world, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "only root can mount a small file system")
	}
	root := t.TempDir()
	if err := unix.Mount("thothfs-test", root, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(root, unix.MNT_DETACH) })
	return newDirWorld(t, root)
}

func remount(t *testing.T, root string, flags uintptr) {
	t.Helper()
	if err := unix.Mount("", root, "", unix.MS_REMOUNT|flags, "size=1m"); err != nil {
		t.Fatal(err)
	}
}

func fillDisk(t *testing.T, root string) {
	t.Helper()
	f, err := os.Create(filepath.Join(root, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
}

// asOrdinaryUser runs tests of this binary again as another user, who mounts with fusermount3. They
// must pass.
func asOrdinaryUser(t *testing.T, pattern string) {
	t.Helper()
	for _, tool := range []string{"fusermount3", "setpriv", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool+" is not installed")
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for dir := root; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755)
	}
	// /dev/fuse may be accessible only to root. The script makes one like Debian's in its own mount
	// namespace. It unmounts the copies of other tests' mounts there, since a mount lives until its
	// last copy is gone.
	const script = `set -e; cd "$ROOT"
		while read -r _ at type _; do [[ $type != fuse.thothfs ]] || umount -cil "$at"; done < <(cat /proc/self/mounts)
		cp "$SELF" program; mkdir tmp; mknod -m 666 fuse c 10 229; mount --bind fuse /dev/fuse; chown -R 65534:65534 program tmp
		TMPDIR=$ROOT/tmp HOME=$ROOT/tmp setpriv --reuid=65534 --regid=65534 --clear-groups ./program -test.run "$PATTERN" -test.v`
	cmd := exec.Command("unshare", "--mount", "bash", "-c", script)
	cmd.Dir, cmd.Env = "/", append(os.Environ(), "ROOT="+root, "SELF="+self, "PATTERN="+pattern)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: ") || strings.Contains(string(out), "--- SKIP: ") {
		t.Errorf("%v: %s", err, out)
	}
}
