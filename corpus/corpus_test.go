package corpus

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/query"
	"thothfs/store"
	"thothfs/store/mem"
)

func TestMain(m *testing.M) {
	if os.Getenv(editorRoot) != "" {
		runEditor()
		return
	}
	goleak.VerifyTestMain(m)
}

// ident returns the i-th hash of a fixed random sequence.
func ident(i int) (id dump.ID) {
	r := rand.New(rand.NewPCG(uint64(i), 1))
	for j := range id {
		id[j] = byte(r.UintN(256))
	}
	return id
}

// info returns a document. The document has no time if at is 0.
func info(id dump.ID, cmd, ticket string, at int64) []byte {
	f := document.Fields{Name: "/u/stor/thoth/" + id.String(), Dump: "/u/stor/thoth/" + id.String() + "/core." + cmd,
		Cmd: cmd, Node: "n1", Platform: "p1", Type: "core", Ticket: ticket}
	if at != 0 {
		f.Time = time.Unix(at, 0)
	}
	return document.Marshal(f)
}

var infoKey = catalog.InfoKey

// seed stores n dumps.
func seed(s *mem.Store, n int) {
	for i := range n {
		s.Set(infoKey(ident(i)), info(ident(i), fmt.Sprintf("cmd%d", i%7), "", int64(1_000_000+i)))
	}
}

func options(t testing.TB, s store.Store) Options {
	return Options{Store: s, Name: "test", Root: "/u/stor/thoth", Dir: filepath.Join(t.TempDir(), "a dir%20?#"), Poll: 30 * time.Second,
		AttrTimeout: time.Second, Log: slog.New(slog.NewTextHandler(testWriter{t}, nil))}
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", bytes.TrimSpace(p))
	return len(p), nil
}

func open(t testing.TB, o Options) *Corpus {
	t.Helper()
	c, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func sync1(t testing.TB, c *Corpus) {
	t.Helper()
	if err := c.Sync(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
}

func parse(t testing.TB, s string) query.Spec {
	t.Helper()
	spec, err := query.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func selected(t testing.TB, c *Corpus, spec string) []dump.ID {
	t.Helper()
	rows, err := c.Select(context.Background(), parse(t, spec))
	if err != nil {
		t.Fatal(err)
	}
	var ids []dump.ID
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	if !slices.IsSortedFunc(ids, catalog.CompareIDs) {
		t.Error("not sorted")
	}
	return ids
}

func wantCount(t testing.TB, c *Corpus, spec string, n int) {
	t.Helper()
	if got := len(selected(t, c, spec)); got != n {
		t.Errorf("%q selects %d dumps, want %d", spec, got, n)
	}
}

// watcher collects changes.
type watcher struct {
	mu      sync.Mutex
	changes []Change
	more    chan struct{}
}

func watch(c *Corpus) (*watcher, func()) {
	w := &watcher{more: make(chan struct{}, 1)}
	return w, c.Subscribe(func(changes []Change) {
		w.mu.Lock()
		w.changes = append(w.changes, changes...)
		w.mu.Unlock()
		select {
		case w.more <- struct{}{}:
		default:
		}
	})
}

// wait returns the changes once there are at least n.
func (w *watcher) wait(t testing.TB, n int) []Change {
	t.Helper()
	for {
		w.mu.Lock()
		changes := slices.Clone(w.changes)
		w.mu.Unlock()
		if len(changes) >= n {
			return changes
		}
		select {
		case <-w.more:
		case <-t.Context().Done():
			t.Fatalf("%d changes, want %d", len(changes), n)
		case <-time.After(20 * time.Second):
			t.Fatalf("%d changes, want %d", len(changes), n)
		}
	}
}

func TestResolve(t *testing.T) {
	s := mem.New()
	same := func(last byte) (id dump.ID) { id[0], id[15] = 0xab, last; return id }
	for _, id := range []dump.ID{same(1), same(2), ident(1)} {
		s.Set(infoKey(id), info(id, "x", "", 1))
	}
	c := open(t, options(t, s))
	sync1(t, c)
	later := ident(2)
	s.Set(infoKey(later), info(later, "x", "", 1))
	full := ident(1).String()
	for _, tt := range []struct {
		prefix string
		want   dump.ID
		err    error
	}{
		{full, ident(1), nil},
		{full[:1], ident(1), nil},
		{full[:31], ident(1), nil},
		{"ab", dump.ID{}, ErrAmbiguous},
		{same(1).String()[:31], dump.ID{}, ErrAmbiguous},
		{same(2).String(), same(2), nil},
		{later.String(), later, nil}, // the store is asked about a complete hash
		{"", dump.ID{}, store.ErrNotExist},
		{"AB", dump.ID{}, store.ErrNotExist},
		{"../x", dump.ID{}, store.ErrNotExist},
		{full + "0", dump.ID{}, store.ErrNotExist},
		{ident(3).String(), dump.ID{}, store.ErrNotExist},
	} {
		t.Run(tt.prefix, func(t *testing.T) {
			got, err := c.Resolve(t.Context(), tt.prefix)
			if !errorsIs(err, tt.err) || tt.err == nil && got != tt.want {
				t.Errorf("got %v, %v, want %v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestCatalogueIsPrivate(t *testing.T) {
	o := options(t, mem.New())
	open(t, o)
	fi, err := os.Stat(o.Dir)
	if err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("directory %v %v", fi.Mode(), err)
	}
	entries, err := os.ReadDir(o.Dir)
	if err != nil || len(entries) == 0 {
		t.Fatal(entries, err)
	}
	for _, e := range entries {
		if fi, err := e.Info(); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s %v %v", e.Name(), fi.Mode(), err)
		}
	}
}
