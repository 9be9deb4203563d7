package fusefs

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thothfs/fs"
)

func TestUnmountTwice(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	for range 2 {
		if err := m.Unmount(t.Context()); err != nil {
			t.Error(err)
		}
	}
	m.Wait()
	if at, err := mountAt(m.dir); at != nil || err != nil {
		t.Errorf("still mounted: %v, %v", at, err)
	}
}

func TestUnmountedByOthers(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	if err := Unmount(m.dir); err != nil {
		t.Fatal(err)
	}
	m.Wait()
	if err := m.Unmount(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestHolders(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	a := start(t, "hold", m.path("by-hash", hashA, "core"))
	var held string
	for _, h := range Holders(m.dir) {
		if h.PID == a.cmd.Process.Pid {
			held = h.What
		}
	}
	if !strings.HasPrefix(held, "open file ") || !strings.HasSuffix(held, "core.node.1") {
		t.Errorf("the holder has %q", held)
	}
	a.in.Close()
	a.wait(t)
	if got := Holders(m.dir); len(got) != 0 {
		t.Errorf("nobody holds it, yet %v", got)
	}
}

// TestUnmountBusy checks that a busy mount is detached immediately and serves open files until they
// are closed.
func TestUnmountBusy(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	a := start(t, "hold", m.path("by-hash", hashA, "core"))
	done := make(chan error, 1)
	go func() { done <- m.Unmount(context.Background()) }()
	eventually(t, "the name is taken away", func() bool { at, _ := mountAt(m.dir); return at == nil })
	select {
	case err := <-done:
		t.Fatalf("unmounted under a reader: %v", err)
	default:
	}
	a.in.Close()
	if status := a.wait(t); status.ExitStatus() != 0 || a.said() != "13" {
		t.Errorf("the reader ended with %v, said %q", status.ExitStatus(), a.said())
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if text := m.log.String(); !strings.Contains(text, "open file") {
		t.Errorf("the log does not say who holds it: %s", text)
	}
}

// TestUnmountAborts checks that processes that keep the mount busy are cut off when the time is up.
func TestUnmountAborts(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	if _, err := os.Stat(connections + "/" + itoa(m.device)); err != nil && os.Geteuid() != 0 {
		missing(t, "the control file system of FUSE is not mounted, and only root can do that")
	}
	a := start(t, "hold", m.path("by-hash", hashA, "core"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := m.Unmount(ctx)
	var busy *BusyError
	if !errors.As(err, &busy) || len(busy.Holders) != 1 || busy.Holders[0].PID != a.cmd.Process.Pid {
		t.Errorf("got %v", err)
	}
	a.in.Close()
	if got := syscall.Errno(a.wait(t).ExitStatus()); got != syscall.ENOTCONN && got != syscall.ECONNABORTED {
		t.Errorf("the reader ended with %v", got)
	}
}

func TestMountTwice(t *testing.T) {
	m := mountStore(t, threeDumps(t), nil)
	if _, err := Mount(m.dir, Options{Tree: fs.Options{Corpus: m.corpus, Cache: openCache(t, m.store)}}); !errors.Is(err, ErrMounted) {
		t.Errorf("got %v", err)
	}
}

// TestMountAtOnce checks that exactly one of many concurrent mounts on one directory succeeds.
func TestMountAtOnce(t *testing.T) {
	needFUSE(t)
	for range 10 {
		dir := t.TempDir()
		results := make(chan *Server)
		for range 6 {
			go func() { // ends when Mount returns
				s, err := Mount(dir, Options{Tree: fs.Options{Corpus: newPlainCorpus(mustStore()), Cache: openCache(t, mustStore())}})
				if err != nil && !errors.Is(err, ErrMounted) {
					t.Error(err)
				}
				results <- s
			}()
		}
		var servers []*Server
		for range 6 {
			if s := <-results; s != nil {
				servers = append(servers, s)
			}
		}
		if len(servers) != 1 {
			t.Errorf("%d mounts on one directory", len(servers))
		}
		for range servers {
			if err := Unmount(dir); err != nil {
				t.Error(err)
			}
		}
		for _, s := range servers {
			s.Wait()
		}
	}
}

// deadMount makes a mount whose /dev/fuse is closed, as left behind by a killed process.
func deadMount(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make a dead mount by itself")
	}
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	data := "fd=" + itoa(fd) + ",rootmode=40000,user_id=0,group_id=0"
	if err := unix.Mount("thothfs", dir, "fuse.thothfs", unix.MS_NOSUID|unix.MS_NODEV, data); err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
}

func TestMend(t *testing.T) {
	needFUSE(t)
	dir := t.TempDir()
	if err := Mend(dir); err != nil {
		t.Errorf("nothing to mend: %v", err)
	}
	for range 3 {
		deadMount(t, dir)
	}
	if _, err := os.Stat(dir); !errors.Is(err, syscall.ENOTCONN) {
		t.Fatalf("not dead: %v", err)
	}
	if err := Mend(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("not mended: %v", err)
	}
}

func TestMountMends(t *testing.T) {
	needFUSE(t)
	m := mountStore(t, threeDumps(t), nil)
	dir := t.TempDir()
	deadMount(t, dir)
	s, err := Mount(dir, Options{Tree: fs.Options{Corpus: m.corpus, Cache: openCache(t, m.store)}})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(ls(t, dir+"/by-hash")); got != 3 {
		t.Errorf("%d dumps", got)
	}
	if err := s.Unmount(t.Context()); err != nil {
		t.Error(err)
	}
	if at, _ := mountAt(dir); at != nil {
		t.Error("something is left under the mount")
	}
}

func TestMountErrors(t *testing.T) {
	needFUSE(t)
	s := newPlainCorpus(mustStore())
	for name, try := range map[string]func() error{
		"no such directory": func() error {
			return second(Mount(t.TempDir()+"/absent", Options{Tree: fs.Options{Corpus: s, Cache: openCache(t, s.store)}}))
		},
		"unknown option": func() error {
			return second(Mount(t.TempDir(), Options{Tree: fs.Options{Corpus: s, Cache: openCache(t, s.store)}, MountOptions: []string{"nonsense"}}))
		},
		"no corpus": func() error { return second(Mount(t.TempDir(), Options{})) },
		"no cache":  func() error { return second(Mount(t.TempDir(), Options{Tree: fs.Options{Corpus: s}})) },
	} {
		if err := try(); err == nil {
			t.Errorf("%s: mounted", name)
		}
	}
}

func TestMountOptions(t *testing.T) {
	m := mountStore(t, threeDumps(t), func(o *Options) {
		o.MountOptions = []string{"ro", "noexec", "fsname=a,b"}
		if os.Geteuid() == 0 { // other users need user_allow_other in /etc/fuse.conf
			o.MountOptions = append(o.MountOptions, "allow_other")
		}
	})
	at, err := mountAt(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ro", "noexec", "nosuid", "nodev"} {
		if !strings.Contains(","+at.Options+",", ","+want+",") {
			t.Errorf("mounted %s, without %s", at.Options, want)
		}
	}
	if at.FSType != "fuse.thothfs" || at.Source != "a,b" || os.Geteuid() == 0 && !strings.Contains(at.VFSOptions, "allow_other") {
		t.Errorf("%+v", at)
	}
}
