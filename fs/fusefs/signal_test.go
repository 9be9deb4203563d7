package fusefs

import (
	"context"
	"errors"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"thothfs/store"
	"thothfs/store/mem"
)

// stalled is a mount whose store never responds, and whose catalogue stops responding once stall is
// called. Both are released when the test ends.
type stalled struct {
	*mounted
	release chan struct{}
	waiting atomic.Int64 // number of catalogue calls that are waiting
}

func mountStalled(t *testing.T) *stalled {
	m := &stalled{mounted: mountStore(t, oneDump(t, noise(1, 1<<20)), nil), release: make(chan struct{})}
	t.Cleanup(func() { close(m.release) }) // before the unmount
	m.store.Inject(mem.Fault{Op: mem.Read, Times: mem.Always, Block: m.release})
	return m
}

func (m *stalled) stall() {
	m.corpus.break_(nil, func(ctx context.Context) error {
		m.waiting.Add(1)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-m.release:
			return nil
		}
	})
}

// TestSignals checks that a signal ends every kind of call that waits for an unresponsive store.
func TestSignals(t *testing.T) {
	object := m1 + "/core.x.1"
	for role, path := range map[string]string{
		"buffered": object, "random": object, "direct": object, "mmap": object,
		"stat": "by-cmd/x", "open": m1 + "/info.json", "readdir": "by-type", "getxattr": m1,
	} {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			if sig == syscall.SIGTERM && (role == "buffered" || role == "random" || role == "mmap") {
				continue // Go handles SIGTERM, and page faults end only on fatal signals: see TestCat
			}
			t.Run(role+" "+sig.String(), func(t *testing.T) {
				m := mountStalled(t)
				if path != object {
					m.stall()
				}
				a := start(t, role, m.path(path))
				eventually(t, "the call waits", func() bool { return m.waiting.Load() > 0 || m.store.Calls(mem.Read) > 0 })
				if err := a.cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				if status := a.wait(t); !status.Signaled() || status.Signal() != sig {
					t.Errorf("ended by %v %d, said %q", status.Signal(), status.ExitStatus(), a.said())
				}
			})
		}
	}
}

const m1 = "by-hash/" + hashA

// TestCat checks that SIGTERM and SIGINT end a program that does not handle them.
func TestCat(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		m := mountStalled(t)
		cat := exec.Command("cat", m.path(m1, "core"))
		if err := cat.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "cat waits", func() bool { return m.store.Calls(mem.Read) > 0 })
		if err := cat.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		cat.Wait()
		if status := cat.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != sig {
			t.Errorf("cat ended by %v", status.Signal())
		}
	}
}

// TestSignalStorm checks that signals that a program sends itself do not interrupt calls that are
// about to succeed.
func TestSignalStorm(t *testing.T) {
	m := mountStore(t, oneDump(t, noise(1, 2<<20)), nil)
	m.store.Inject(mem.Fault{Op: mem.Read, Times: mem.Always, Delay: 5 * time.Millisecond})
	if status := start(t, "storm", m.path("by-hash", hashA, "core.x.1")).wait(t); status.ExitStatus() != 0 {
		t.Errorf("a read was broken: %v", status.ExitStatus())
	}
}

// TestSignalStormAtClose checks that after a signal close(2) waits longer for a slow store, since
// it cannot be repeated.
func TestSignalStormAtClose(t *testing.T) {
	m := mountStore(t, oneDump(t, nil), func(o *Options) { o.Grace = 20 * time.Millisecond })
	m.store.Inject(mem.Fault{Op: mem.Put, Times: mem.Always, Delay: 100 * time.Millisecond})
	if status := start(t, "save", m.path("by-hash", hashA, "properties/p")).wait(t); status.ExitStatus() != 0 {
		t.Errorf("the close was broken: %v", status.ExitStatus())
	}
	if got := m.stored(t, hashA, "properties.p"); got != `"saved"` {
		t.Errorf("the store has %s", got)
	}
}

// TestDeadline checks that calls on an unresponsive store fail with ETIMEDOUT, and that the mount
// stays usable.
func TestDeadline(t *testing.T) {
	content := noise(1, 1<<20)
	m := mountStore(t, oneDump(t, content), func(o *Options) { o.OpTimeout = 50 * time.Millisecond })
	release := make(chan struct{})
	m.store.Inject(mem.Fault{Op: mem.Read, Times: mem.Always, Block: release})
	name := m.path("by-hash", hashA, "core.x.1")
	if status := start(t, "buffered", name).wait(t); syscall.Errno(status.ExitStatus()) != syscall.ETIMEDOUT {
		t.Errorf("a read ended with %v", syscall.Errno(status.ExitStatus()))
	}
	m.corpus.break_(nil, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	if status := start(t, "stat", m.path("by-cmd/x")).wait(t); syscall.Errno(status.ExitStatus()) != syscall.ETIMEDOUT {
		t.Errorf("a lookup ended with %v", syscall.Errno(status.ExitStatus()))
	}
	close(release)
	m.store.Heal()
	m.corpus.break_(nil, nil)
	if got := read(t, name); got != string(content) {
		t.Error("afterwards the dump is another")
	}
}

// TestFaults checks the errno of every kind of call for each error of the catalogue.
func TestFaults(t *testing.T) {
	dump := "by-hash/" + hashA
	calls := map[string]string{
		"stat": "by-cmd/x", "readdir": "by-type", "open": dump + "/info.json", "getxattr": dump,
	}
	for err, want := range map[error]syscall.Errno{
		error(&store.Error{Op: "get", Kind: store.ErrUnavailable}): syscall.EIO,
		error(&store.Error{Op: "get", Kind: store.ErrPermission}):  syscall.EACCES,
		errors.New("database is locked"):                           syscall.EIO,
	} {
		for role, path := range calls {
			t.Run(role+" "+err.Error(), func(t *testing.T) {
				m := mountStore(t, oneDump(t, nil), nil)
				m.corpus.break_(err, nil)
				if got := syscall.Errno(start(t, role, m.path(path)).wait(t).ExitStatus()); got != want {
					t.Errorf("got %v, want %v", got, want)
				}
				if m.log.String() == "" {
					t.Error("the log does not say why")
				}
				m.corpus.break_(nil, nil)
				if got := start(t, role, m.path(path)).wait(t).ExitStatus(); got != 0 {
					t.Errorf("afterwards: %v", syscall.Errno(got))
				}
			})
		}
	}
}
