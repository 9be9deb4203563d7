package fusefs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/fs"
	"thothfs/store/mem"
)

// unknownHash is not the hash of any dump, so a lookup queries the store.
var unknownHash = hashOf("abcd")

// stuckCorpus is a corpus whose store never responds to edits and to queries about an unknown dump,
// so these calls only end at their deadline. The first such call also changes the documents of two
// dumps, as another client would.
type stuckCorpus struct {
	*plainCorpus
	once sync.Once
	hang func() // called last, if not nil
}

func (c *stuckCorpus) stick(ctx context.Context) error {
	c.once.Do(func() {
		putStuck(c.store, hashA, "ELSE")
		putStuck(c.store, hashB, "ELSE")
		c.store.Set(unknownHash+"/"+corpus.InfoName, []byte("{}"))
		c.refresh()
		if c.hang != nil {
			go c.hang() // never ends
		}
		time.Sleep(300 * time.Millisecond) // by now, other calls are waiting for the lock in the kernel
		fmt.Println("stuck")
	})
	<-ctx.Done()
	return ctx.Err()
}

func (c *stuckCorpus) Edit(ctx context.Context, id dump.ID, edits ...document.Edit) (*corpus.Dump, error) {
	return nil, c.stick(ctx)
}

func (c *stuckCorpus) Dump(ctx context.Context, id dump.ID) (*corpus.Dump, error) {
	if id.String() == unknownHash {
		return nil, c.stick(ctx)
	}
	return c.plainCorpus.Dump(ctx, id)
}

func (c *stuckCorpus) PutAnalyzer(ctx context.Context, name string, data []byte) error {
	return c.stick(ctx)
}

func (c *stuckCorpus) RemoveAnalyzer(ctx context.Context, name string) error { return c.stick(ctx) }

func putStuck(s *mem.Store, hash, ticket string) {
	s.Set(hash+"/"+corpus.InfoName, []byte(`{"type": "core", "ticket": "`+ticket+`", "properties": {"triage": "bmc"}}`))
}

// serveStuck serves a mount of a stuckCorpus until it is killed. If hangs is set, the process
// survives SIGKILL: while a lookup in by-hash is waiting, it makes the kernel invalidate a name
// there.
func serveStuck(dir string, hangs bool) error {
	s := mem.New()
	putStuck(s, hashA, "DEAD")
	putStuck(s, hashB, "DEAD")
	putStuck(s, hashC, "OTHER")
	s.Set("analyzers/script", []byte("true\n"))
	c := &stuckCorpus{plainCorpus: newPlainCorpus(s)}
	server, err := Mount(dir, Options{Tree: fs.Options{Corpus: c, Cache: noBlocks{}, AttrTimeout: time.Hour}})
	if err != nil {
		return err
	}
	if hangs {
		c.hang = func() { server.b.nodes.root.GetChild("by-hash").NotifyEntry(hashB) }
	}
	return ready(func() error { server.Wait(); return nil })
}

// noBlocks is a cache for tests that read no dump.
type noBlocks struct{ fs.Blocks }

// TestKilledWhileCallsWaitForTheStore kills a process while calls wait for the store and while it
// invalidates their directories. The callers must get ENOTCONN, and the next mount must repair the
// mountpoint. Each call here holds the lock of a directory until it is answered.
func TestKilledWhileCallsWaitForTheStore(t *testing.T) {
	for name, script := range map[string]string{
		"lookup":            "stat $M/by-hash/" + unknownHash,
		"unlink a link":     "rm $M/by-ticket/DEAD/$A",
		"rename a link":     "mv $M/by-ticket/DEAD/$A $M/by-ticket/OTHER/",
		"make a link":       "ln -s ../../by-hash/" + hashC + " $M/by-ticket/DEAD/" + hashC,
		"unlink a property": "rm $M/by-hash/$A/properties/triage",
		"rename a property": "mv $M/by-hash/$A/properties/triage $M/by-hash/$A/properties/other",
		"unlink a script":   "rm $M/analyzers/script",
		"set an attribute":  "setfattr -n user.thoth.ticket -v X $M/by-hash/$A",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needFUSE(t)
			dir := t.TempDir()
			server := start(t, "serve stuck", dir)
			t.Cleanup(func() { endMount(t, dir) })
			if out, err := caller(dir, "cat $M/by-hash/*/properties/*; ls -lR $M/by-ticket $M/by-type $M/by-hash").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			call := caller(dir, script)
			if err := call.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- call.Wait() }() // ends with the call, at the latest with the mount
			eventually(t, "the call waits for the store", func() bool { return server.said() == "stuck" })
			server.cmd.Process.Signal(syscall.SIGKILL)
			select {
			case err := <-ended:
				if err == nil {
					t.Error("the call succeeded")
				}
			case <-time.After(20 * time.Second):
				t.Fatal("the caller hangs after the process was killed")
			}
			if _, err := os.Stat(dir); !errors.Is(err, syscall.ENOTCONN) {
				t.Errorf("the mount is not dead: %v", err)
			}
			if err := Mend(dir); err != nil {
				t.Error(err)
			}
		})
	}
}

// caller returns a command that runs a script making calls on a mount.
func caller(mount, script string) *exec.Cmd {
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "M="+mount, "A="+hashA)
	return cmd
}

// TestMendProcessThatCannotEnd kills the process of a mount while one of its threads waits in the
// kernel for a lock whose holder waits for the process. The kernel does not abort the connection;
// Mend must do so if the kernel shows which connection a process holds.
func TestMendProcessThatCannotEnd(t *testing.T) {
	needFUSE(t)
	dir := t.TempDir()
	server := start(t, "serve hung", dir)
	t.Cleanup(func() { endMount(t, dir) })
	m, err := mountAt(dir)
	if err != nil || m == nil {
		t.Fatalf("%v, %v", m, err)
	}
	if !IsServed(m.Minor) {
		t.Error("not served while its process lives")
	}
	call := caller(dir, "stat $M/by-hash/"+unknownHash)
	if err := call.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the call waits for the store", func() bool { return server.said() == "stuck" })
	server.cmd.Process.Signal(syscall.SIGKILL)
	proc := fmt.Sprintf("/proc/%d", server.cmd.Process.Pid)
	eventually(t, "the process to be dead", func() bool { return isDying(proc) })
	if _, err := ask(200*time.Millisecond, "stat", dir); !errors.Is(err, ErrSilent) {
		t.Fatalf("the mount answers: %v", err)
	}
	if IsServed(m.Minor) { // before Linux 6.16
		if err := mend(dir, 200*time.Millisecond); !errors.Is(err, ErrSilent) {
			t.Error(err)
		}
		return
	}
	if err := mend(dir, 200*time.Millisecond); err != nil {
		t.Error(err)
	}
	if m, err := mountAt(dir); m != nil || err != nil {
		t.Errorf("not taken away: %v", err)
	}
	if err := call.Wait(); err == nil {
		t.Error("the call succeeded")
	}
	server.wait(t)
}

// endMount aborts and unmounts a mount.
func endMount(t testing.TB, dir string) {
	m, err := mountAt(dir)
	if err != nil || m == nil {
		return
	}
	if err := Abort(m.Minor); err != nil {
		t.Error(err)
	}
	if err := Detach(dir); err != nil {
		t.Error(err)
	}
}
