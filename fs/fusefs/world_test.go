package fusefs

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thothfs/cache"
	"thothfs/corpus"
	"thothfs/dump/document"
	"thothfs/fs"
	"thothfs/store"
	"thothfs/store/dir"
	"thothfs/store/manta"
	"thothfs/store/manta/mantatest"
)

// world is a mount of a real store with a catalogue and a cache.
type world struct {
	bare   store.Store
	store  *store.Counter
	corpus *corpus.Corpus
	mnt    string
	log    *logged
}

// openStores returns functions that open the stores for tests of writing.
func openStores(t testing.TB) map[string]func() store.Store {
	return map[string]func() store.Store{
		"dir": func() store.Store {
			s, err := dir.Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		},
		"manta": func() store.Store {
			srv := mantatest.Start(t, mantatest.Options{Latency: 20 * time.Millisecond})
			s, err := manta.Open(manta.Options{URL: srv.URL, Account: "u", NoAuth: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		},
	}
}

func newWorld(t testing.TB, bare store.Store, attrTimeout time.Duration) *world {
	t.Helper()
	needFUSE(t)
	w := &world{bare: bare, store: store.Count(bare), log: &logged{}}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	s := store.Retry(w.store, store.RetryOptions{})
	c, err := corpus.Open(t.Context(), corpus.Options{Store: s, Name: "test", Root: "/u/stor/thoth", Dir: t.TempDir(), AttrTimeout: attrTimeout, Poll: time.Hour, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	w.corpus = c
	if err := c.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	var blocks fs.Blocks
	if _, local := store.AsLocal(s); !local {
		b, err := cache.Open(cache.Options{Dir: t.TempDir(), Source: s, Quota: 1 << 30, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		blocks = b
	}
	w.mnt = t.TempDir()
	server, err := Mount(w.mnt, Options{Tree: fs.Options{Corpus: c, Cache: blocks, Store: s, AttrTimeout: attrTimeout, Log: log}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Unmount(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// put stores an object, replacing an earlier one.
func put(t testing.TB, s store.Store, key, data string) {
	t.Helper()
	attr, err := s.Stat(t.Context(), key)
	if err != nil {
		attr = store.Attr{}
	}
	if _, err := s.Put(t.Context(), store.Ref{Key: key, ETag: attr.ETag}, bytes.NewReader([]byte(data)), int64(len(data))); err != nil {
		t.Fatal(err)
	}
}

// fill stores two dumps and an analyzer.
func fill(t testing.TB, s store.Store) {
	for _, hash := range []string{hashA, hashB} {
		put(t, s, hash+"/core.x.1", "the dump")
		put(t, s, hash+"/info.json", `{ "cmd": "x", "dump": "/u/stor/thoth/`+hash+`/core.x.1", "type": "core", "time": 1373566304.50, "ticket": "OS-1", "properties": { "triage": "bmc" } }`)
	}
	put(t, s, "analyzers/old", "echo old\n")
}

// stored returns the value at a path in a stored document as JSON.
func (w *world) stored(t testing.TB, hash, path string) string {
	t.Helper()
	data, _, err := w.bare.Get(context.Background(), store.Ref{Key: hash + "/info.json"}, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	v, _ := document.Parse(data).Get(path)
	return string(v.JSON())
}

// sh runs a script in the mount and returns its output and exit status. The script changes the
// directory itself, because a fork that waited for our own mount would block this process.
func (w *world) sh(t testing.TB, script string) string {
	t.Helper()
	cmd := exec.Command("bash", "-c", "set -o pipefail; cd $M; "+script)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "LC_ALL=C", "M="+w.mnt, "A="+hashA, "B="+hashB, "T="+t.TempDir(), "HOME="+t.TempDir(), "TERM=dumb")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s%v\n", out, err)
	}
	return string(out)
}

// TestToolsThatWrite runs commands that users type, with common programs.
func TestToolsThatWrite(t *testing.T) {
	for _, tool := range []string{"setfattr", "getfattr", "vim", "ed", "sed"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool+" is not installed")
		}
	}
	for kind, open := range openStores(t) {
		for _, tt := range append(propertyScripts(), otherScripts()...) {
			t.Run(kind+"/"+tt.name, func(t *testing.T) {
				s := open()
				fill(t, s)
				w := newWorld(t, s, time.Second)
				if got := w.sh(t, tt.script); got != tt.says {
					t.Errorf("says %q, want %q", got, tt.says)
				}
				if got := w.stored(t, hashA, tt.path); got != tt.stored {
					t.Errorf("the store has %s, want %s", got, tt.stored)
				}
				if got := w.stored(t, hashA, "time"); got != "1373566304.50" {
					t.Errorf("the time is written %s", got)
				}
				if data, _ := os.ReadFile(filepath.Join(w.mnt, "by-hash", hashA, "core")); string(data) != "the dump" {
					t.Errorf("the dump is %q", data)
				}
				if strings.Contains(w.log.String(), "bug") {
					t.Error(w.log)
				}
			})
		}
	}
}

// TestSetfattrRoundTrips checks the number of requests to the store for one setfattr.
func TestSetfattrRoundTrips(t *testing.T) {
	for kind, open := range openStores(t) {
		t.Run(kind, func(t *testing.T) {
			s := open()
			fill(t, s)
			w := newWorld(t, s, time.Minute)
			for i, at := range []string{"by-hash/" + hashA, "by-cmd/x/" + hashA, "by-ticket/T0/" + hashA} {
				before := w.store.Snapshot().Total().Calls
				if said := w.sh(t, fmt.Sprintf("setfattr -n user.thoth.ticket -v T%d %s", i, at)); said != "" {
					t.Fatal(said)
				}
				if n := w.store.Snapshot().Total().Calls - before; n != 1 {
					t.Errorf("%s: %d requests, the version was known", at, n)
				}
				if at == "by-cmd/x/"+hashA {
					w.sh(t, "setfattr -n user.thoth.ticket -v T0 by-hash/$A")
				}
			}
			// Another client has edited the document, but the catalogue has not noticed.
			put(t, s, hashA+"/info.json", `{ "cmd": "x", "theirs": true }`)
			before := w.store.Snapshot().Total().Calls
			if said := w.sh(t, "setfattr -n user.thoth.ticket -v ours by-hash/$A"); said != "" {
				t.Fatal(said)
			}
			if n := w.store.Snapshot().Total().Calls - before; n > 3 { // refused, read, stored
				t.Errorf("%d requests when the version was not known", n)
			}
			if w.stored(t, hashA, "theirs") != "true" || w.stored(t, hashA, "ticket") != `"ours"` {
				t.Error("an edit is lost")
			}
		})
	}
}

// TestToolsThatWriteAsOrdinaryUser runs the same test as an ordinary user, who mounts with
// fusermount3.
func TestToolsThatWriteAsOrdinaryUser(t *testing.T) {
	needFUSE(t)
	if os.Geteuid() != 0 {
		t.Skip("runs as an ordinary user already: the other test shows it")
	}
	asOrdinaryUser(t, "^TestToolsThatWrite$/^dir$")
}
