package corpus

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"thothfs/dump/document"
	"thothfs/store"
	"thothfs/store/dir"
)

// With these variables in its environment, the test binary is an editor, that is, a process that
// makes edits. They contain the directory of the corpus, the directory of the catalogue, a name,
// and the number of edits.
const (
	editorRoot  = "CORPUS_TEST_EDITOR_ROOT"
	editorDir   = "CORPUS_TEST_EDITOR_DIR"
	editorName  = "CORPUS_TEST_EDITOR_NAME"
	editorEdits = "CORPUS_TEST_EDITOR_EDITS"
)

// runEditor makes the edits. It prints the number of each one once it has been acknowledged.
func runEditor() {
	if err := editAll(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func editAll(ctx context.Context) error {
	n, err := strconv.Atoi(os.Getenv(editorEdits))
	if err != nil {
		return err
	}
	s, err := dir.Open(os.Getenv(editorRoot))
	if err != nil {
		return err
	}
	defer s.Close()
	c, err := Open(ctx, Options{Store: store.Retry(s, store.RetryOptions{}), Name: "test", Root: "/u/stor/thoth", Dir: os.Getenv(editorDir), Changes: true})
	if err != nil {
		return err
	}
	defer c.Close()
	for i := range n {
		if _, err := c.Edit(ctx, ident(0), document.Set(editPath(os.Getenv(editorName), i), "done")); err != nil {
			return err
		}
		fmt.Println(i)
	}
	return nil
}

func editPath(editor string, i int) string { return fmt.Sprintf("properties.%s.e%d", editor, i) }

// editor is a process that makes edits.
type editor struct {
	cmd  *exec.Cmd
	out  io.ReadCloser
	name string
	acks *bufio.Scanner
	seen int // number of acknowledged edits
}

func startEditor(t *testing.T, root, dir, name string, edits int) *editor {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e := &editor{cmd: exec.CommandContext(t.Context(), exe), name: name}
	e.cmd.Env = append(os.Environ(), editorRoot+"="+root, editorDir+"="+dir, editorName+"="+name, editorEdits+"="+strconv.Itoa(edits))
	e.cmd.Stderr = os.Stderr
	if e.out, err = e.cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e.acks = bufio.NewScanner(e.out)
	return e
}

// follow reads acknowledgements until there are n or the editor has ended.
func (e *editor) follow(n int) {
	for e.seen < n && e.acks.Scan() {
		e.seen++
	}
}

func (e *editor) check(t *testing.T, d *document.Document) {
	t.Helper()
	for i := range e.seen {
		if path := editPath(e.name, i); d.String(path) != "done" {
			t.Errorf("%s was acknowledged and is lost", path)
		}
	}
}

// TestEditKilled kills a process several times during a thousand edits, while another process is
// editing.
func TestEditKilled(t *testing.T) {
	const edits, kills = 1000, 5
	root, catalogues := t.TempDir(), t.TempDir()
	s, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	plant(t, s)
	survivor := startEditor(t, root, t.TempDir(), "survivor", 100)
	for i := range kills {
		victim := startEditor(t, root, catalogues, fmt.Sprintf("victim%d", i), edits)
		victim.follow(20 + 13*i)
		if err := victim.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		victim.follow(edits) // read what it printed before
		_ = victim.cmd.Wait()
		if victim.seen == 0 || victim.seen == edits {
			t.Fatalf("killed after %d edits", victim.seen)
		}
		d := storedDocument(t, s)
		victim.check(t, d)
		if d.String(editPath(victim.name, victim.seen+1)) != "" {
			t.Error("more than one edit beyond what was acknowledged")
		}
	}
	survivor.follow(100)
	if err := survivor.cmd.Wait(); err != nil || survivor.seen != 100 {
		t.Fatalf("%d edits, %v", survivor.seen, err)
	}
	survivor.check(t, storedDocument(t, s))
	// The catalogues of killed processes must be usable or rebuilt.
	o := options(t, s)
	o.Dir = catalogues
	c := open(t, o)
	sync1(t, c)
	d, err := c.Cached(t.Context(), ident(0))
	if err != nil || string(d.Doc.Raw()) != string(storedDocument(t, s).Raw()) {
		t.Errorf("%v %v", d, err)
	}
}
