package fusefs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"thothfs/dump/document"
	"thothfs/store"
	"thothfs/store/mem"
	"thothfs/store/storetest"
)

// written is a change by a user, and where it is found in the store afterwards.
type written struct {
	name string
	do   func(mnt string) error
	key  string // key of the object
	path string // path in the document; "" for the object itself
	want string // as JSON
}

func writes() []written {
	doc := hashA + "/info.json"
	save := func(name, text string) error {
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		return errors.Join(err, f.Close()) // close fails if it is not stored
	}
	return []written{
		{"setxattr", func(mnt string) error {
			return unix.Setxattr(mnt+"/by-hash/"+hashA, "user.thoth.ticket", []byte("NEW"), 0)
		}, doc, "ticket", `"NEW"`},
		{"property", func(mnt string) error { return save(mnt+"/by-hash/"+hashA+"/properties/p", "NEW\n") }, doc, "properties.p", `"NEW"`},
		{"fsync", func(mnt string) error {
			f, err := os.OpenFile(mnt+"/by-hash/"+hashA+"/properties/triage", os.O_WRONLY|os.O_TRUNC, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteString("NEW")
			return errors.Join(err, f.Sync())
		}, doc, "properties.triage", `"NEW"`},
		{"rename", func(mnt string) error {
			dir := mnt + "/by-hash/" + hashA + "/properties/"
			return errors.Join(save(dir+".t.tmp", "NEW"), os.Rename(dir+".t.tmp", dir+"t"))
		}, doc, "properties.t", `"NEW"`},
		{"ticket", func(mnt string) error {
			os.Mkdir(mnt+"/by-ticket/T", 0o755)
			return os.Symlink("../../by-hash/"+hashA, mnt+"/by-ticket/T/"+hashA)
		}, doc, "ticket", `"T"`},
		{"unlink", func(mnt string) error { return syscall.Unlink(mnt + "/by-hash/" + hashA + "/properties/deep") }, doc, "properties.deep", ""},
		{"analyzer", func(mnt string) error { return save(mnt+"/analyzers/fmri", "echo NEW\n") }, "analyzers/fmri", "", "echo NEW\n"},
		{"new analyzer", func(mnt string) error { return save(mnt+"/analyzers/new", "echo NEW\n") }, "analyzers/new", "", "echo NEW\n"},
	}
}

// state returns the stored value for a change. A damaged document fails the test.
func (w *written) state(t *testing.T, s *mem.Store) string {
	data, ok := s.Data(w.key)
	if w.path == "" {
		return string(data)
	}
	doc := document.Parse(data)
	if !ok || doc.Damage() != "" {
		t.Errorf("%s: the document is damaged: %s", w.name, data)
	}
	v, _ := doc.Get(w.path)
	return string(v.JSON())
}

// TestWriteFaults makes the n-th call to the store fail during a write, for every n. A write that
// succeeds must be stored, one that fails must be stored completely or not at all, and all must
// succeed once the store works again.
func TestWriteFaults(t *testing.T) {
	for _, w := range writes() {
		t.Run(w.name, func(t *testing.T) {
			storetest.Faults(t, storetest.AllFaults(), func(t *testing.T, arm func(*mem.Faulty)) {
				s := mem.New()
				threeDumps(t)(s)
				c, mnt := mountCorpus(t, s, openCache(t, s))
				if err := c.Sync(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				before := w.state(t, s)
				arm(s.Faulty)
				err := w.do(mnt)
				s.Heal()
				after := w.state(t, s)
				var errno syscall.Errno
				switch {
				case err == nil && after != w.want:
					t.Errorf("acknowledged, and the store has %s", after)
				case err != nil && after != w.want && after != before:
					t.Errorf("%v, and the store has %s", err, after)
				case err != nil && (!errors.As(err, &errno) || !slices.Contains(append(allowed, syscall.EBUSY, syscall.ENOSPC), errno)):
					t.Errorf("under a fault: %v", err)
				}
				eventually(t, "it succeeds", func() bool {
					err := w.do(mnt)
					return (err == nil || errors.Is(err, os.ErrExist) || errors.Is(err, os.ErrNotExist)) && w.state(t, s) == w.want
				})
			})
		})
	}
}

// TestFullStore checks that writes to a full store fail with ENOSPC, not EFBIG.
func TestFullStore(t *testing.T) {
	s := mem.New()
	threeDumps(t)(s)
	c, mnt := mountCorpus(t, s, openCache(t, s))
	if err := c.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	s.Inject(mem.Fault{Op: mem.Put, Times: mem.Always, Kind: store.ErrNoSpace})
	for _, w := range writes() {
		if err := w.do(mnt); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v, want ENOSPC", w.name, err)
		}
	}
}

// TestWriteDeadline checks that the deadline ends a write that waits for an unresponsive store, and
// that nothing is stored later.
func TestWriteDeadline(t *testing.T) {
	m := mountStore(t, threeDumps(t), func(o *Options) { o.OpTimeout = 100 * time.Millisecond })
	release := make(chan struct{})
	m.store.Inject(mem.Fault{Op: mem.Put, Times: mem.Always, Block: release})
	f, err := os.Create(m.path("by-hash", hashA, "properties/p"))
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("x")
	if err := f.Close(); !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("close: %v", err)
	}
	if err := unix.Setxattr(m.path("by-hash", hashA), "user.thoth.ticket", []byte("x"), 0); !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("setxattr: %v", err)
	}
	close(release)
	m.store.Heal()
	if got := m.stored(t, hashA, "ticket") + m.stored(t, hashA, "properties.p"); got != `"OS-1"` {
		t.Errorf("the store has %s", got)
	}
}

// TestManyMountsEdit edits one dump concurrently through eight mounts of the corpus, each with its
// own catalogue, by attributes and by files. Every edit must be in the document.
func TestManyMountsEdit(t *testing.T) {
	for kind, open := range openStores(t) {
		t.Run(kind, func(t *testing.T) {
			s := open()
			fill(t, s)
			const mounts, edits = 8, 6
			var all sync.WaitGroup
			for i := range mounts {
				w := newWorld(t, s, time.Second)
				all.Go(func() { // ends with the test
					for n := range edits {
						name := fmt.Sprintf("m%d-%d", i, n)
						var err error
						if n%2 == 0 {
							err = unix.Setxattr(filepath.Join(w.mnt, "by-cmd/x", hashA), "user.thoth.properties."+name, []byte("v"), 0)
						} else {
							err = os.WriteFile(filepath.Join(w.mnt, "by-hash", hashA, "properties", name), []byte("v\n"), 0o644)
						}
						if err != nil {
							t.Errorf("%s: %v", name, err)
						}
					}
				})
			}
			all.Wait()
			data, _, err := s.Get(t.Context(), store.Ref{Key: hashA + "/info.json"}, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			doc := document.Parse(data)
			for i := range mounts {
				for n := range edits {
					if doc.String(fmt.Sprintf("properties.m%d-%d", i, n)) != "v" {
						t.Errorf("edit %d of mount %d is lost", n, i)
					}
				}
			}
			if doc.String("time") != "1373566304.50" || doc.String("properties.triage") != "bmc" {
				t.Errorf("something else has changed: %s", data)
			}
		})
	}
}

// TestReplacedAnalyzer checks that an analyzer replaced by another client since it was listed opens
// with its current contents, while an open one keeps its contents.
func TestReplacedAnalyzer(t *testing.T) {
	for kind, open := range openStores(t) {
		t.Run(kind, func(t *testing.T) {
			s := open()
			fill(t, s)
			w := newWorld(t, s, time.Minute)
			name := filepath.Join(w.mnt, "analyzers/old")
			if got := ls(t, filepath.Dir(name)); !slices.Equal(got, []string{"old"}) {
				t.Fatalf("listed: %q", got)
			}
			want := strings.Repeat("echo new\n", 100)
			put(t, s, "analyzers/old", want)
			f := mustOpen(t, name)
			put(t, s, "analyzers/old", "echo newest\n")
			if got, err := io.ReadAll(f); err != nil || string(got) != want {
				t.Errorf("reads %q, %v", got, err)
			}
		})
	}
}
