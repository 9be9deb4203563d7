package fusefs

import (
	"context"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"thothfs/store"
	"thothfs/store/mem"
)

// watched is a store that records which objects were read.
type watched struct {
	store.Store
	mu    sync.Mutex // guards bytes
	bytes []string   // keys of objects other than documents
}

func (w *watched) note(key string) {
	if path.Base(key) == "info.json" || path.Dir(key) == "analyzers" || strings.HasPrefix(key, ".thothfs/") {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes = append(w.bytes, key)
}

func (w *watched) fetched() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bytes
}

func (w *watched) ReadAt(ctx context.Context, ref store.Ref, p []byte, off int64) (int, error) {
	w.note(ref.Key)
	return w.Store.ReadAt(ctx, ref, p, off)
}

func (w *watched) Get(ctx context.Context, known store.Ref, limit int64) ([]byte, store.Attr, error) {
	w.note(known.Key)
	return w.Store.Get(ctx, known, limit)
}

// walkedWorld is a mount of a watched store.
func walkedWorld(t *testing.T) (*world, *watched) {
	t.Helper()
	s := &watched{Store: mem.New()}
	fill(t, s)
	return newWorld(t, s, time.Second), s
}

// TestWalkersFetchNoDump checks that a walk over the mount sees every name and fetches no bytes of
// a dump.
func TestWalkersFetchNoDump(t *testing.T) {
	w, s := walkedWorld(t)
	for name, c := range map[string]struct{ script, want string }{
		"find":    {`find . -ls`, "./by-hash/" + hashA + "/core.x.1"},
		"by age":  {`find . -name 'core*' -newermt 1970-01-01 -size -9 -printf '%p %s %l\n'`, "./by-hash/" + hashB + "/core 8 core.x.1"},
		"ls":      {`ls -lR`, "./by-hash/" + hashA + ":\n"},
		"du":      {`du -s --apparent-size .; echo by-hash/*`, "by-hash/" + hashA + " by-hash/" + hashB},
		"du of a": {`du -a by-hash`, "by-hash/" + hashB + "/core.x.1"},
	} {
		t.Run(name, func(t *testing.T) {
			if said := w.sh(t, c.script); !strings.Contains(said, c.want) || strings.Contains(said, "exit status") {
				t.Errorf("no %q in\n%s", c.want, said)
			}
		})
	}
	if keys := s.fetched(); len(keys) > 0 {
		t.Errorf("fetched of %v", keys)
	}
	// Check that a read would be recorded.
	if said := w.sh(t, "cat by-hash/$A/core"); said != "the dump" || len(s.fetched()) == 0 {
		t.Errorf("%q, %v", said, s.fetched())
	}
}

// TestUpdatedb checks that updatedb(8) fetches nothing either, and that it skips the mount with the
// configuration in docs/operations.md.
func TestUpdatedb(t *testing.T) {
	for _, tool := range []string{"updatedb", "plocate"} {
		if _, err := exec.LookPath(tool); err != nil {
			why := tool + " is not installed (Debian: plocate, which also walks this machine every day: make setup leaves that to you)"
			if os.Getenv("CI") == "true" {
				t.Fatal(why)
			}
			t.Skip(why)
		}
	}
	w, s := walkedWorld(t)
	locate := func(prune string) string {
		return w.sh(t, "updatedb -U "+filepath.Dir(w.mnt)+" -o $T/db --require-visibility no --prune-bind-mounts no --prunepaths '' --prunefs '"+prune+
			"' && plocate -d $T/db "+filepath.Dir(w.mnt))
	}
	if said := locate("nfs proc"); !strings.Contains(said, w.mnt+"/by-hash/"+hashA+"/core.x.1\n") {
		t.Errorf("not found:\n%s", said)
	}
	if keys := s.fetched(); len(keys) > 0 {
		t.Errorf("fetched of %v", keys)
	}
	if said := locate("nfs proc fuse.thothfs"); !strings.Contains(said, w.mnt+"\n") || strings.Contains(said, w.mnt+"/") {
		t.Errorf("walked anyway:\n%s", said)
	}
}
