package main

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"thothfs/store/manta/mantatest"
)

// seed writes n dumps directly into the corpus and returns their hashes. Each document contains
// size incompressible bytes.
func (w *world) seed(n, size int) (ids []string) {
	w.t.Helper()
	random := rand.NewChaCha8([32]byte{})
	blob := make([]byte, size*3/4)
	for i := range n {
		id := fmt.Sprintf("%032x", (i+1)*2654435761)
		random.Read(blob)
		doc := fmt.Sprintf(`{"name": "/alice/stor/thoth/%[1]s", "dump": "/alice/stor/thoth/%[1]s/core.%[2]d", "cmd": "cmd%[2]d", "type": "core", "time": %[3]d, "properties": {"blob": %[4]q}}`,
			id, i%7, 1_400_000_000+i, base64.StdEncoding.EncodeToString(blob))
		dir := filepath.Join(w.corpus, id)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "info.json"), []byte(doc), 0o600); err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// start starts `thothfs args…`. kill kills it.
func (w *world) start(args ...string) (kill func()) {
	w.t.Helper()
	cmd := w.command(args...)
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		cmd.Process.Signal(syscall.SIGKILL)
		cmd.Wait()
	})
	w.t.Cleanup(kill)
	return kill
}

// catalogued returns the number of dumps in the catalogue on disk.
func (w *world) catalogued() (n int) {
	files, _ := filepath.Glob(filepath.Join(w.dir, "cache", "catalogue", "*.db"))
	if len(files) != 1 {
		return 0
	}
	db, err := sql.Open("sqlite", "file:"+files[0]+"?mode=ro")
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	db.QueryRow(`SELECT count(*) FROM dumps`).Scan(&n) // 0 while the catalogue is being created
	return n
}

// snapshotServes checks that a new machine can load the published snapshot and then has n dumps in
// its catalogue.
func (w *world) snapshotServes(n int) {
	w.t.Helper()
	r := w.newMachine().try("ls", "--log=stderr", "--attr-timeout=1h")
	if r.code != 0 || strings.Contains(r.stderr, "of no use") || strings.Count(r.stdout, "\n") != n+1 {
		w.t.Errorf("from the snapshot: exit %d, %d lines for %d dumps: %s", r.code, strings.Count(r.stdout, "\n"), n, r.stderr)
	}
}

// TestIndexKilledInTheFirstReadGoesOn checks that an index killed during its first read continues
// from there.
func TestIndexKilledInTheFirstReadGoesOn(t *testing.T) {
	t.Parallel()
	const dumps, answered, noted = 600, 300, 256 // documents are noted in batches
	w, srv := newMantaWorld(t, 0)
	w.seed(dumps, 100)
	heal := srv.Fault(mantatest.On{Method: "GET", Path: "/info.json", Nth: answered + 1}, mantatest.StallAt(0, make(chan struct{})))
	kill := w.start("index")
	waitFor(t, "a part of the corpus to be noted", func() bool { return w.catalogued() >= noted })
	kill()
	heal()
	var r result
	n := gets(srv, func() { r = w.try("index", "--attr-timeout=1h") })
	if r.code != 0 || !strings.Contains(r.stderr, fmt.Sprintf("published %d dumps", dumps)) {
		t.Errorf("%+v", r)
	}
	// The other requests are listings, the change log, and the missing snapshot.
	if n > dumps-noted+20 {
		t.Errorf("%d requests for the %d documents that were not read", n, dumps-noted)
	}
	w.snapshotServes(dumps)
}

// TestIndexKilledWhilePublishing checks that an index killed while publishing leaves the old
// snapshot in place, and that the next one publishes.
func TestIndexKilledWhilePublishing(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"before the first byte": 32 << 10, "in the midst": 256 << 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const dumps = 64
			midst := size > 32<<10 // more than the kernel buffers for a connection
			w, srv := newMantaWorld(t, 0)
			ids := w.seed(dumps, size)
			w.must("index")
			snapshot := filepath.Join(w.corpus, ".thothfs", "index")
			before, err := os.ReadFile(snapshot)
			if err != nil {
				t.Fatal(err)
			}
			w.must("ticket", ids[0], "OS-1")
			reached, release := make(chan struct{}), make(chan struct{})
			heal := srv.Fault(mantatest.On{Method: "PUT", Path: ".thothfs/index", Times: 1}, mantatest.Before(func() {
				srv.ResetCounters()
				srv.SetBandwidth(256 << 10)
				close(reached)
				if !midst {
					<-release
				}
			}))
			kill := w.start("index", "--attr-timeout=1h")
			waitFor(t, "it to publish", func() bool {
				select {
				case <-reached:
					return !midst || srv.Counters().Uploaded > 0
				default:
					return false
				}
			})
			kill()
			heal()
			close(release)
			srv.SetBandwidth(0)
			w.snapshotServes(dumps)
			waitFor(t, "the next to publish", func() bool { // the server may still be busy with the first
				r := w.try("index", "--attr-timeout=1h")
				if r.code != 0 {
					t.Fatalf("the next: %+v", r)
				}
				return strings.Contains(r.stderr, fmt.Sprintf("published %d dumps", dumps))
			})
			if after, err := os.ReadFile(snapshot); err != nil || bytes.Equal(after, before) {
				t.Errorf("the next published nothing: %v", err)
			}
			w.snapshotServes(dumps)
		})
	}
}

// TestIndexIsIncremental checks that the next index does not read unchanged documents again.
func TestIndexIsIncremental(t *testing.T) {
	t.Parallel()
	const dumps, edits = 500, 3
	w, srv := newMantaWorld(t, 0)
	ids := w.seed(dumps, 100)
	w.must("index")
	other := w.newMachine()
	for _, id := range ids[:edits] {
		other.must("ticket", id, "OS-1")
	}
	// The other requests are the listings of the corpus, the change log and the history, with an
	// entry and a record for each edit.
	if n := gets(srv, func() { w.must("index", "--attr-timeout=1h") }); n < edits || n > 4*edits+9 {
		t.Errorf("%d requests for %d edits", n, edits)
	}
	third := w.newMachine()
	if got := third.must("ls", "--attr-timeout=1h", "ticket=OS-1"); strings.Count(got, "\n") != edits+1 {
		t.Errorf("%s", got)
	}
}

// TestTwoIndexesAtOnce checks that when two indexes publish concurrently, neither fails and the
// snapshot is complete.
func TestTwoIndexesAtOnce(t *testing.T) {
	t.Parallel()
	for name, elsewhere := range map[string]bool{"on two machines": true, "on one": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const dumps = 100
			w, srv := newMantaWorld(t, 0)
			w.seed(dumps, 100)
			other := w
			if elsewhere {
				other = w.newMachine()
			}
			// Each one waits for the other when it is about to store.
			var arrived sync.WaitGroup
			arrived.Add(2)
			srv.Fault(mantatest.On{Method: "PUT", Path: ".thothfs/index", Times: 2}, mantatest.Before(func() {
				arrived.Done()
				arrived.Wait()
			}))
			var running sync.WaitGroup
			var results [2]result
			for i, cmd := range []*exec.Cmd{w.command("index"), other.command("index")} {
				running.Go(func() { results[i] = finish(t, cmd) })
			}
			running.Wait()
			published := 0
			for _, r := range results {
				published += strings.Count(r.stderr, "published 100 dumps")
				if r.code != 0 {
					t.Errorf("%+v", r)
				}
			}
			if published == 0 {
				t.Errorf("nobody has published: %+v", results)
			}
			w.snapshotServes(dumps)
		})
	}
}
