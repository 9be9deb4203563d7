package corpus

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"thothfs/corpus/catalog"
	"thothfs/query"
	"thothfs/store/mem"
)

// TestUselessFilesAreRebuilt replaces or damages the catalogue file before it is opened.
func TestUselessFilesAreRebuilt(t *testing.T) {
	spoil := map[string]func(t *testing.T, path string){
		"removed":        func(t *testing.T, path string) { os.Remove(path) },
		"empty":          func(t *testing.T, path string) { os.Truncate(path, 0) },
		"half a header":  func(t *testing.T, path string) { os.Truncate(path, 50) },
		"torn":           func(t *testing.T, path string) { os.Truncate(path, 4096*5+17) },
		"not a database": func(t *testing.T, path string) { os.WriteFile(path, []byte(strings.Repeat("what? ", 10000)), 0o600) },
		"garbage in the middle": func(t *testing.T, path string) {
			f, _ := os.OpenFile(path, os.O_RDWR, 0)
			defer f.Close()
			for i := int64(1); i < 20; i++ {
				f.WriteAt([]byte(strings.Repeat("\xff", 1000)), 4096*i+5)
			}
		},
		"another version": func(t *testing.T, path string) { execSQL(t, path, `PRAGMA user_version = 7`) },
		"another program": func(t *testing.T, path string) { execSQL(t, path, `PRAGMA application_id = 7`) },
		"another corpus": func(t *testing.T, path string) {
			execSQL(t, path, `UPDATE meta SET value = 'x' WHERE key = 'identity'`)
		},
		"a table less": func(t *testing.T, path string) { execSQL(t, path, `DROP TABLE meta`) },
		"unreadable":   func(t *testing.T, path string) { os.Remove(path); os.Mkdir(path, 0o700) },
		"a log left over": func(t *testing.T, path string) {
			os.Remove(path)
			os.WriteFile(path+"-wal", []byte(strings.Repeat("x", 5000)), 0o600)
		},
	}
	for name, spoil := range spoil {
		t.Run(name, func(t *testing.T) {
			s := mem.New()
			seed(s, 50)
			o := options(t, s)
			c, err := Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			sync1(t, c)
			c.Close()
			spoil(t, c.cat.Path())
			c = open(t, o)
			sync1(t, c)
			wantCount(t, c, "", 50)
			wantCount(t, c, "cmd=cmd3", 7)
		})
	}
}

func execSQL(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path}).String())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// TestDamageUnderway damages the catalogue of an open corpus.
func TestDamageUnderway(t *testing.T) {
	s := mem.New()
	seed(s, 300)
	c := open(t, options(t, s))
	sync1(t, c)
	w, cancel := watch(c)
	defer cancel()
	if err := c.cat.Exec(t.Context(), `DROP TABLE docs; DROP TABLE dumps`); err != nil {
		t.Fatal(err)
	}
	wantCount(t, c, "", 300) // rebuilt and read again
	if ch := w.wait(t, 1)[0]; !ch.Everything() {
		t.Errorf("%+v", ch)
	}
}

func TestCatalogueDirectoryUnusable(t *testing.T) {
	s := mem.New()
	seed(s, 5)
	o := options(t, s)
	o.Dir = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(o.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	sync1(t, c)
	wantCount(t, c, "", 5)
	scratch := filepath.Dir(c.cat.Path())
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(scratch); !errors.Is(err, os.ErrNotExist) {
		t.Error("the temporary catalogue was left", err)
	}
}

// TestRemovedWhileOpen deletes the catalogue while it is open.
func TestRemovedWhileOpen(t *testing.T) {
	s := mem.New()
	seed(s, 50)
	o := options(t, s)
	c := open(t, o)
	sync1(t, c)
	if err := os.RemoveAll(o.Dir); err != nil {
		t.Fatal(err)
	}
	sync1(t, c)
	wantCount(t, c, "", 50)
	other := open(t, o)
	sync1(t, other)
	wantCount(t, other, "", 50)
	// The first corpus must now use the file of the second.
	sync1(t, c)
	s.Set(infoKey(ident(77)), info(ident(77), "new", "", 1))
	sync1(t, other)
	wantCount(t, c, "cmd=new", 1)
}

// TestTwoOnOneFile opens two corpora on the same file, as two processes would.
func TestTwoOnOneFile(t *testing.T) {
	s := mem.New()
	seed(s, 600)
	o := options(t, s)
	a, b := open(t, o), open(t, o)
	var wg sync.WaitGroup
	for _, c := range []*Corpus{a, b} {
		wg.Go(func() {
			if err := c.Sync(t.Context(), nil); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			for range 20 {
				if _, err := c.Select(t.Context(), query.Spec{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, c := range []*Corpus{a, b} {
		wantCount(t, c, "", 600)
		if _, err := c.readJournal(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w, cancel := watch(b)
	defer cancel()
	before := b.Generation()
	s.Set(infoKey(ident(3)), info(ident(3), "cmd3", "T-9", 9))
	a.checked.set(ident(3), time.Time{})
	a.now = func() time.Time { return time.Now().Add(time.Minute) }
	if d, err := a.Dump(t.Context(), ident(3)); err != nil || d.Text(catalog.Ticket) != "T-9" {
		t.Fatal(d, err)
	}
	wantCount(t, b, "ticket=T-9", 1)
	if _, err := b.readJournal(t.Context()); err != nil {
		t.Fatal(err)
	}
	ch := w.wait(t, 1)
	if len(ch) != 1 || ch[0].ID != ident(3) || ch[0].Old.Text(catalog.Cmd) != "cmd3" || ch[0].Old.Text(catalog.Ticket) != "" || ch[0].New.Text(catalog.Ticket) != "T-9" || b.Generation() == before {
		t.Errorf("%+v", ch)
	}
	// Many changes at once must be reported as a single Change that stands for everything.
	for i := range 100 {
		s.Set(infoKey(ident(1000+i)), info(ident(1000+i), "more", "", 1))
	}
	sync1(t, a)
	if _, err := b.readJournal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ch := w.wait(t, 2); !ch[1].Everything() {
		t.Errorf("%+v", ch)
	}
}

// TestKilled kills a process during a sync, several times.
func TestKilled(t *testing.T) {
	o := options(t, nil)
	if dir := os.Getenv("CORPUS_TEST_KILLED"); dir != "" {
		s := mem.New()
		seed(s, 3000)
		o.Store, o.Dir = s, dir
		c, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("open")
		c.Sync(t.Context(), nil)
		return
	}
	s := mem.New()
	seed(s, 3000)
	o.Store = s
	for range 4 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "CORPUS_TEST_KILLED="+o.Dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var b [4]byte
		out.Read(b[:])
		time.Sleep(time.Duration(time.Now().UnixNano()%60) * time.Millisecond) // somewhere in the middle
		cmd.Process.Kill()
		cmd.Wait()
	}
	c := open(t, o)
	if c.cat.Path() != catalog.Path(o.Dir, o.identity()) {
		t.Error("a temporary catalogue")
	}
	sync1(t, c)
	wantCount(t, c, "", 3000)
}

// TestFullDiskUnderway checks that a catalogue that runs out of disk space moves to a temporary
// file.
func TestFullDiskUnderway(t *testing.T) {
	s := mem.New()
	seed(s, 3000)
	c := open(t, options(t, s))
	if err := c.cat.Exec(t.Context(), `PRAGMA max_page_count = 40`); err != nil {
		t.Fatal(err)
	}
	sync1(t, c)
	wantCount(t, c, "", 3000)
	if c.cat.Path() == catalog.Path(c.o.Dir, c.o.identity()) {
		t.Error("the catalogue was not full")
	}
}

// TestDamageWhileReading checks that observations recorded before the damage are recorded again.
func TestDamageWhileReading(t *testing.T) {
	s := mem.New()
	seed(s, 3000)
	c := open(t, options(t, s))
	var once sync.Once
	if err := c.Sync(t.Context(), func(done, total int) {
		if done > 1000 {
			once.Do(func() { execSQL(t, c.cat.Path(), `DROP TABLE docs; DROP TABLE dumps`) })
		}
	}); err != nil {
		t.Fatal(err)
	}
	wantCount(t, c, "", 3000)
}
