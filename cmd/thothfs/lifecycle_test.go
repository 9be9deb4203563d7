package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// aCore uploads one small real core and returns its hash.
func (w *world) aCore() string {
	w.t.Helper()
	return firstWord(w.must("upload", "--no-stack", shippedCores(w.t)[0]))
}

// running reports whether a process is still running. A zombie is not.
func running(pid int) bool {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	_, rest, _ := strings.Cut(string(text), ") ")
	return err == nil && !strings.HasPrefix(rest, "Z")
}

func TestMountReturnsReadyAndUmountWaits(t *testing.T) {
	w := newWorld(t)
	id := w.aCore()
	w.mount()
	if got := strings.TrimSpace(w.sh("ls mnt/by-hash")); got != id {
		t.Errorf("by-hash: %q", got)
	}
	pid := w.pid()
	w.must("umount", w.mnt)
	if mounted(w.mnt) {
		t.Error("still mounted")
	}
	if running(pid) {
		t.Errorf("process %d still runs after umount", pid)
	}
}

func TestSignalsUnmount(t *testing.T) {
	t.Parallel()
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			needFUSE(t)
			w := newWorld(t)
			w.aCore()
			cmd := w.command("mount", "--foreground", w.mnt)
			log, err := os.Create(filepath.Join(w.dir, "log"))
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			cmd.Stdout, cmd.Stderr = log, log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the mount", func() bool { return mounted(w.mnt) })
			w.sh("ls mnt/by-hash")
			cmd.Process.Signal(sig)
			if err := cmd.Wait(); err != nil {
				text, _ := os.ReadFile(log.Name())
				t.Errorf("after %v: %v\n%s", sig, err, text)
			}
			if mounted(w.mnt) {
				t.Error("still mounted")
			}
		})
	}
}

func TestBusyMountSaysWhoHoldsItAndDetaches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.aCore()
	w.mount()
	pid := w.pid()
	holder := exec.Command("sleep", "600")
	core, err := os.Open(filepath.Join(w.mnt, "by-hash", id, "core"))
	if err != nil {
		t.Fatal(err)
	}
	holder.Stdin = core
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	core.Close()
	r := w.try("umount", w.mnt)
	if r.code != 0 || !strings.Contains(r.stderr, strconv.Itoa(holder.Process.Pid)+" sleep") {
		t.Errorf("exit %d, stderr %q", r.code, r.stderr)
	}
	if mounted(w.mnt) {
		t.Error("still mounted")
	}
	if !running(pid) {
		t.Error("the process ended although a file is open")
	}
	holder.Process.Kill()
	holder.Wait()
	waitFor(t, "the process to end after the last close", func() bool { return !running(pid) })
}

// TestStoppedMountIsUnmounted checks a mount whose process is stopped and so does not respond.
// mount at the same place must report that, and umount must remove it.
func TestStoppedMountIsUnmounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.aCore()
	w.mount("--attr-timeout=1ms") // so that kernel caches do not help
	pid := w.pid()
	syscall.Kill(pid, syscall.SIGSTOP)
	defer syscall.Kill(pid, syscall.SIGCONT)
	for _, how := range []string{"--foreground=false", "--foreground"} {
		if r := w.try("mount", w.mnt, how); r.code != 1 || !strings.Contains(r.stderr, "does not answer") {
			t.Errorf("mounting there with %s: %+v", how, r)
		}
	}
	waits := exec.Command("stat", filepath.Join(w.mnt, "by-hash"))
	if err := waits.Start(); err != nil {
		t.Fatal(err)
	}
	cmd := w.command("umount", w.mnt)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hangs := time.AfterFunc(30*time.Second, func() { syscall.Kill(pid, syscall.SIGCONT) })
	err := cmd.Wait()
	waits.Wait()
	if !hangs.Stop() {
		t.Error("umount hangs, or who waited for the mount")
	}
	if err != nil || mounted(w.mnt) {
		t.Errorf("%v, mounted: %t", err, mounted(w.mnt))
	}
	waitFor(t, "the end of who asked the mount", func() bool { return len(mentioning(t, w.mnt)) == 0 })
	syscall.Kill(pid, syscall.SIGCONT)
	waitFor(t, "the end of the process that was stopped", func() bool { return !running(pid) })
}

func isNotConnected(err error) bool { return errors.Is(err, syscall.ENOTCONN) }

// mentioning returns the commands that use files below dir, except the mount's own.
func mentioning(t *testing.T, dir string) (commands []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		text, _ := os.ReadFile(name)
		if words := strings.ReplaceAll(string(text), "\x00", " "); strings.Contains(words, dir) && !strings.Contains(words, " mount ") {
			commands = append(commands, words)
		}
	}
	return commands
}

func TestDeadMountpointIsMended(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.aCore()
	w.mount()
	syscall.Kill(w.pid(), syscall.SIGKILL)
	waitFor(t, "the mount to be dead", func() bool {
		_, err := os.Stat(w.mnt)
		return isNotConnected(err)
	})
	w.must("mount", w.mnt)
	if got := strings.TrimSpace(w.sh("ls mnt/by-hash")); got != id {
		t.Errorf("by-hash after mending: %q", got)
	}
	if n := strings.Count(w.sh("cat /proc/self/mounts"), " "+w.mnt+" "); n != 1 {
		t.Errorf("%d mounts are stacked there", n)
	}
}

func TestMountRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	needFUSE(t)
	w := newWorld(t)
	w.aCore()
	file := filepath.Join(w.dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"absent mountpoint":        {[]string{"mount", filepath.Join(w.dir, "absent")}, "mkdir"},
		"a file as mountpoint":     {[]string{"mount", file}, "not a directory"},
		"cache inside":             {[]string{"mount", w.mnt, "--cache-dir", filepath.Join(w.mnt, "c")}, "cache directory"},
		"mountpoint in the cache":  {[]string{"mount", w.mnt, "--cache-dir", w.dir}, "cache directory"},
		"mountpoint in the corpus": {[]string{"mount", w.mnt, "--store", w.dir}, "corpus"},
		"an unknown option":        {[]string{"mount", w.mnt, "-o", "frobnicate"}, "frobnicate"},
		"a bad size":               {[]string{"mount", w.mnt, "--cache-size", "lots"}, "20GiB"},
		"a bad value in -o":        {[]string{"mount", w.mnt, "-o", "cache-size=lots"}, "cache-size"},
		"no mountpoint":            {[]string{"mount"}, "usage: thothfs mount MOUNTPOINT"},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.try(c.args...)
			if r.code == 0 || !strings.Contains(r.stderr, c.want) || r.stdout != "" {
				t.Errorf("exit %d, stderr %q, stdout %q", r.code, r.stderr, r.stdout)
			}
			if mounted(w.mnt) {
				t.Error("mounted anyway")
				w.unmount()
			}
		})
	}
	t.Run("mounted already", func(t *testing.T) {
		w.mount()
		if r := w.try("mount", w.mnt); r.code == 0 || !strings.Contains(r.stderr, "already") {
			t.Errorf("exit %d, stderr %q", r.code, r.stderr)
		}
	})
}

func TestUmountOfWhatIsNotMounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if r := w.try("umount", w.mnt); r.code != 1 || !strings.Contains(r.stderr, "not mounted") {
		t.Errorf("exit %d, stderr %q", r.code, r.stderr)
	}
}

func TestMountOptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.aCore()
	w.mount("-o", "ro,nosuid,cache-size=1GiB", "-o", "noatime")
	line := w.sh("grep ' " + w.mnt + " ' /proc/self/mounts")
	for _, want := range []string{"fuse.thothfs", "ro", "nosuid", "noatime"} {
		if !strings.Contains(line, want) {
			t.Errorf("no %s in %q", want, line)
		}
	}
	if config := w.sh("cat mnt/.thothfs/config"); !strings.Contains(config, "cache-size=1.0 GiB") {
		t.Errorf("config:\n%s", config)
	}
}

func TestMountHelperForm(t *testing.T) {
	for name, c := range map[string]struct{ in, out string }{
		"fstab":       {"/sbin/mount.thothfs /srv/dumps /thoth -o rw,allow_other", "mount /thoth --store=/srv/dumps -o rw,allow_other"},
		"sloppy":      {"mount.thothfs none /thoth -s -o ro", "mount /thoth -o ro"},
		"plain":       {"thothfs ls", "ls"},
		"short":       {"mount.thothfs --help", "--help"},
		"mount verb":  {"/usr/bin/thothfs mount /thoth", "mount /thoth"},
		"manta store": {"mount.thothfs manta:/a/stor/thoth /thoth", "mount /thoth --store=manta:/a/stor/thoth"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(mountHelperArgs(strings.Fields(c.in)), " "); got != c.out {
				t.Errorf("%q, not %q", got, c.out)
			}
		})
	}
}

func TestUnprivilegedUserMounts(t *testing.T) {
	t.Parallel()
	needFUSE(t)
	need(t, "fusermount3", "setpriv", "unshare")
	if os.Getuid() != 0 {
		t.Skip("runs as an ordinary user already: every other test shows it")
	}
	w := newWorld(t)
	w.aCore()
	// The other user must own the world and have access to it and to the program.
	for dir := w.dir; dir != "/"; dir = filepath.Dir(dir) {
		fi, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm()&0o005 != 0o005 {
			os.Chmod(dir, fi.Mode().Perm()|0o055)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w.sh("cp " + self + " program && chmod 755 program && chown -R 65534:65534 .")
	// /dev/fuse may be accessible only to root here. The script makes one like Debian's in its own
	// mount namespace.
	script := apart + `set -e
		mknod -m 666 fuse c 10 229; mount --bind fuse /dev/fuse
		as() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
		as ./program mount mnt
		trap 'as ./program umount mnt' EXIT
		as bash -c 'cmp mnt/by-hash/*/core corpus/*/*.core; ls mnt/by-cmd/*/*/core'
		as bash -c 'cat mnt/by-hash/*/info.json'
		as grep -q ' fuse.thothfs ' /proc/self/mounts`
	cmd := exec.Command("unshare", "--mount", "bash", "-c", script)
	cmd.Env, cmd.Dir = w.env, w.dir
	if r := finish(t, cmd); r.code != 0 || !strings.Contains(r.stdout, `"pid"`) {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestLogIsPrivateAndHoldsNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.aCore()
	w.mount()
	waitFor(t, "the log", func() bool {
		text, _ := os.ReadFile(filepath.Join(w.dir, "cache", "thothfs.log"))
		return strings.Contains(string(text), "mounted")
	})
	err := filepath.WalkDir(filepath.Join(w.dir, "cache"), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err == nil && fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %v", path, fi.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestForegroundMountEndsWithUmount(t *testing.T) {
	t.Parallel()
	needFUSE(t)
	w := newWorld(t)
	w.aCore()
	cmd := w.command("mount", "-f", w.mnt)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the mount", func() bool { return mounted(w.mnt) })
	// Until the process is ready, it has a file open there.
	waitFor(t, "umount(8)", func() bool { return w.trySh("umount mnt").code == 0 })
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		cmd.Process.Kill()
		t.Error("the process did not end with its mount")
	}
}

// TestUmountOfAMountOnAMount covers the case that /thoth is itself a file system.
func TestUmountOfAMountOnAMount(t *testing.T) {
	t.Parallel()
	needFUSE(t)
	w := newWorld(t)
	w.thothsCorpus()
	if err := syscall.Mount("none", w.mnt, "tmpfs", 0, ""); err != nil {
		t.Skip("mounting a tmpfs is for root: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(w.mnt, syscall.MNT_DETACH) })
	w.must("mount", w.mnt)
	t.Cleanup(func() { syscall.Unmount(w.mnt, syscall.MNT_DETACH) })
	w.must("umount", w.mnt)
	if strings.Contains(w.sh("cat /proc/mounts"), w.mnt+" fuse") {
		t.Error("still mounted")
	}
}
