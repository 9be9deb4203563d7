package ingest

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/query"
	"thothfs/store"
	"thothfs/store/dir"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func infoKey(id dump.ID) string { return id.String() + "/" + corpus.InfoName }

// info returns a document. The document has no time if at is 0.
func info(id dump.ID, cmd, ticket string, at int64) []byte {
	f := document.Fields{Name: "/u/stor/thoth/" + id.String(), Dump: "/u/stor/thoth/" + id.String() + "/core." + cmd,
		Cmd: cmd, Node: "n1", Platform: "p1", Type: string(dump.Core), Ticket: ticket}
	if at != 0 {
		f.Time = time.Unix(at, 0)
	}
	return document.Marshal(f)
}

func options(t testing.TB, s store.Store) corpus.Options {
	return corpus.Options{Store: s, Name: "test", Root: "/u/stor/thoth", Dir: filepath.Join(t.TempDir(), "catalogue"), Poll: 30 * time.Second,
		AttrTimeout: time.Second, Log: slog.New(slog.NewTextHandler(testWriter{t}, nil))}
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", bytes.TrimSpace(p))
	return len(p), nil
}

func open(t testing.TB, o corpus.Options) *corpus.Corpus {
	t.Helper()
	c, err := corpus.Open(context.Background(), o)
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

func sync1(t testing.TB, c *corpus.Corpus) {
	t.Helper()
	if err := c.Sync(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
}

func wantCount(t testing.TB, c *corpus.Corpus, spec string, n int) {
	t.Helper()
	parsed, err := query.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := c.Select(context.Background(), parsed)
	if err != nil || len(rows) != n {
		t.Errorf("%q selects %d dumps, want %d, %v", spec, len(rows), n, err)
	}
}

func errorsIs(err, want error) bool {
	if want == nil {
		return err == nil
	}
	return errors.Is(err, want)
}

func dirStore(t testing.TB) store.Store {
	t.Helper()
	s, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
