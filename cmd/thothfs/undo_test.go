package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"thothfs/corpus/history"
)

// editable returns the editable part of a corpus: the exact tickets and properties by dump, and the
// analyzers.
func (w *world) editable() map[string]any {
	w.t.Helper()
	all := map[string]any{}
	infos, _ := filepath.Glob(filepath.Join(w.corpus, "*", "info.json"))
	for _, path := range infos {
		text, err := os.ReadFile(path)
		if err != nil {
			w.t.Fatal(err)
		}
		var doc struct {
			Cmd        json.RawMessage
			Ticket     json.RawMessage
			Properties map[string]json.RawMessage
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			w.t.Fatalf("%s: %v", path, err)
		}
		all[filepath.Base(filepath.Dir(path))] = doc
	}
	scripts, _ := filepath.Glob(filepath.Join(w.corpus, "analyzers", "*"))
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		if err != nil {
			w.t.Fatal(err)
		}
		all[filepath.Base(path)] = string(text)
	}
	return all
}

// triaged adds n dumps with tickets and properties, and two analyzers, to the corpus.
func (w *world) triaged(n int) {
	w.t.Helper()
	for i := range n {
		id := fmt.Sprintf("%032x", (i+1)*2654435761)
		w.put(id+"/core.x", "a core")
		w.put(id+"/info.json", fmt.Sprintf("{\n\t\"cmd\": \"cmd%d\",\n\t\"type\": \"core\",\n\t\"time\": %d,\n\t\"ticket\": \"OS-%d\",\n"+
			"\t\"properties\": {\n\t\t\"count\": %d.50,\n\t\t\"triage.by\": \"b\\u006dc\",\n\t\t\"list\": [ 1, {\"a\": 2} ]\n\t}\n}\n", i%7, 1_400_000_000+i, i%3, i))
	}
	w.put("analyzers/fmri", "echo fmri\n")
	w.put("analyzers/large", strings.Repeat("# a long script\n", 10_000))
}

// TestRmRfOfAMountIsUndone checks that one command restores everything after rm -rf on a mount.
func TestRmRfOfAMountIsUndone(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, w *world) {
		w.triaged(40)
		before := w.editable()
		w.mount()
		if r := w.trySh("rm -rf mnt"); !strings.Contains(r.stderr, "Read-only") {
			t.Errorf("%+v", r)
		}
		if w.sh("ls mnt/by-ticket mnt/analyzers | grep -v :") != "\n" || reflect.DeepEqual(w.editable(), before) {
			t.Fatal("nothing was removed")
		}
		r := w.try("undo", "--since", "10m")
		if r.code != 0 || !strings.Contains(r.stderr, "edits undone, in 40 dumps and 2 analyzers\n") {
			t.Errorf("%+v", r)
		}
		if after := w.editable(); !reflect.DeepEqual(after, before) {
			for name, was := range before {
				if !reflect.DeepEqual(after[name], was) {
					t.Errorf("%s: %s, was %s", name, after[name], was)
				}
			}
		}
		if r := w.try("undo", "--since", "10m"); r.code != 0 || !strings.Contains(r.stderr, "0 edits undone") || !reflect.DeepEqual(w.editable(), before) {
			t.Errorf("again: %+v", r)
		}
	})
}

// TestUndoKilled checks that an undo killed at any point is completed by the next one.
func TestUndoKilled(t *testing.T) {
	t.Parallel()
	w, _ := newMantaWorld(t, 20*time.Millisecond)
	w.triaged(120)
	before := w.editable()
	w.must("unticket", "--yes", "cmd=cmd*")
	w.must("unset", "--yes", "cmd=cmd*", "count")
	w.must("analyzer", "--rm", "large")
	tickets := func() (n int) {
		for _, d := range w.editable() {
			if doc := reflect.ValueOf(d); doc.Kind() == reflect.Struct && doc.FieldByName("Ticket").Len() > 0 {
				n++
			}
		}
		return n
	}
	for i := range 3 {
		kill := w.start("undo", "--since", "10m")
		waitFor(t, "some dumps have their tickets back", func() bool { return tickets() > 25*(i+1) })
		kill()
	}
	if n := tickets(); n == len(before)-2 {
		t.Fatalf("all %d were undone before it was killed", n)
	}
	if r := w.try("undo", "--since", "10m"); r.code != 0 {
		t.Errorf("%+v", r)
	}
	if !reflect.DeepEqual(w.editable(), before) {
		t.Error("not what it was")
	}
}

// TestUndoBesideMountsThatEdit checks that edits by two mounts during an undo are all present in
// the end.
func TestUndoBesideMountsThatEdit(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, w *world) {
		const dumps, edits = 10, 40
		w.triaged(dumps)
		before := w.editable()
		w.must("unticket", "--yes", "cmd=cmd*")
		w.must("unset", "cmd=cmd*", "list")
		var past []struct{ ID string }
		if err := json.Unmarshal([]byte(w.must("history", "--json")), &past); err != nil || len(past) != 2*dumps {
			t.Fatalf("%d edits, %v", len(past), err)
		}
		w.mount()
		other := w.newMachine()
		other.mount()
		waitFor(t, "both mounts list the dumps", func() bool {
			return w.sh("ls "+w.mnt+"/by-hash "+other.mnt+"/by-hash | grep -c ^0 || true") == fmt.Sprintln(2*dumps)
		})
		var editing sync.WaitGroup
		for m, mnt := range []string{w.mnt, other.mnt} {
			editing.Go(func() {
				r := w.trySh(fmt.Sprintf(`i=0; dirs=(%s/by-hash/0*); while [ $i -lt %d ]; do setfattr -n user.thoth.properties.m%d.e$i -v done ${dirs[i %% %d]} || exit 1; i=$((i+1)); done`, mnt, edits, m, dumps))
				if r.code != 0 {
					t.Errorf("%+v", r)
				}
			})
		}
		for i := 0; i < len(past); i += 4 {
			args := []string{"undo"}
			for _, e := range past[i : i+4] {
				args = append(args, e.ID)
			}
			if r := w.try(args...); r.code != 0 {
				t.Errorf("%+v", r)
			}
		}
		editing.Wait()
		if n := strings.Count(strings.Join(w.docs(), ""), `"done"`); n != 2*edits {
			t.Errorf("%d of %d edits are there", n, 2*edits)
		}
		if n := strings.Count(w.must("history", "-n", "0", "--json"), `"how":"mount: setxattr`); n != 2*edits {
			t.Errorf("%d edits of mounts in the history", n)
		}
		for id, d := range before {
			if reflect.ValueOf(d).Kind() != reflect.Struct {
				continue
			}
			is, was := reflect.ValueOf(w.editable()[id]), reflect.ValueOf(d)
			if !reflect.DeepEqual(is.FieldByName("Ticket").Interface(), was.FieldByName("Ticket").Interface()) || is.FieldByName("Properties").MapIndex(reflect.ValueOf("list")).Len() == 0 {
				t.Errorf("%s is not what it was", id)
			}
		}
	})
}

// docs returns the contents of all documents.
func (w *world) docs() (all []string) {
	infos, _ := filepath.Glob(filepath.Join(w.corpus, "*", "info.json"))
	for _, path := range infos {
		text, err := os.ReadFile(path)
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return all
}

// TestHistoryVerb checks that the history records who made each edit and how, for every way to
// edit.
func TestHistoryVerb(t *testing.T) {
	t.Parallel()
	needFUSE(t)
	w := newWorld(t)
	w.triaged(3)
	id := fmt.Sprintf("%032x", 2654435761)
	w.must("set", id, "note", "a\x1b[2Jb")
	w.must("ticket", id, "OS-9")
	w.must("analyze", id, w.script("judge", "thoth_set verdict guilty\n"))
	if r := w.tryInput("echo hi\n", "analyzer", "fmri"); r.code != 0 {
		t.Fatal(r)
	}
	w.mount()
	w.sh("setfattr -n user.thoth.ticket -v OS-10 mnt/by-hash/" + id)
	w.sh("echo x >mnt/by-hash/" + id + "/properties/file; rm mnt/by-hash/" + id + "/properties/note mnt/analyzers/large")
	w.sh("mv mnt/by-ticket/OS-10/* mnt/by-ticket/OS-1/")
	lines := strings.Split(strings.TrimSpace(w.must("history")), "\n")
	for i, want := range [][]string{
		{"EDIT", "TIME", "WHO", "HOW", "DUMP", "CHANGE"},
		{thisUser(), "mount: rename by-ticket/OS-10/", id[:16], "ticket: OS-10 → OS-1"},
		{"mount: unlink analyzers/large", "analyzers/large: 160000 bytes → -"},
		{"mount: unlink properties/note", `note: a\x1b[2Jb → -`},
		{"mount: write properties/file", "file: - → x"},
		{"mount: setxattr user.thoth.ticket", "ticket: OS-9 → OS-10"},
		{"analyzer", "analyzers/fmri: 10 bytes → 8 bytes"},
		{"analyze ", "verdict: - → guilty"},
		{"ticket", "ticket: OS-0 → OS-9"},
		{"set", `note: - → a\x1b[2Jb`},
	} {
		for _, part := range want {
			if i >= len(lines) || !strings.Contains(lines[i], part) {
				t.Fatalf("line %d is no %q:\n%s", i, part, strings.Join(lines, "\n"))
			}
		}
	}
	for _, c := range []struct {
		args string
		want int // number of lines
	}{
		{"history -n 3", 4}, {"history --since 1h", 10}, {"history --since 2030-01-01", 1}, {"history --by nobody", 1}, {"history --by *@nowhere", 1},
		{"history cmd=cmd1", 1}, {"history analyzers/fmri", 2}, {"history " + id, 8}, {"history --by " + thisUser(), 10},
	} {
		if got := strings.Count(w.must(strings.Fields(c.args)...), "\n"); got != c.want {
			t.Errorf("%s: %d lines", c.args, got)
		}
	}
	var edits []struct {
		ID, By, How, Dump, Analyzer string
		Changes                     []struct {
			Path     string
			Old, New any
		}
	}
	if err := json.Unmarshal([]byte(w.must("history", "--json")), &edits); err != nil || len(edits) != 9 || edits[8].Changes[0].New != "a\x1b[2Jb" || edits[1].Analyzer != "large" {
		t.Errorf("%v, %+v", err, edits)
	}
	// An edit can be undone by its ID, but not if its value was edited later.
	if r := w.try("undo", edits[0].ID, edits[1].ID); r.code != 0 || !strings.Contains(r.stderr, "2 edits undone, in 1 dump and 1 analyzer\n") {
		t.Errorf("%+v", r)
	}
	if r := w.try("undo", edits[7].ID); r.code != 1 || !strings.Contains(r.stderr, "ticket is not what edit "+edits[7].ID+" left (OS-9)") {
		t.Errorf("%+v", r)
	}
	if got := w.must("report", "ticket=OS-10"); got != "1\n" {
		t.Error(got)
	}
	if r := w.try("undo", "--since", "1h", "--dry-run", id); r.code != 0 || !strings.Contains(r.stdout, id+": properties.verdict: guilty → -") {
		t.Errorf("%+v", r)
	}
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"undo", "--since", 1}, {"undo --by x", "--since", 1}, {"undo nonsense", "does not name an edit", 1}, {"undo " + id, "does not name an edit", 1},
		{"undo 00000000000-00000000", "no edit", 1}, {"undo --since soon", "10m", 2}, {"history --since -5m", "10m", 2}, {"history --by [", "pattern", 1}, {"index --keep-history 0d", "90d", 2},
	} {
		if r := w.try(strings.Fields(c.args)...); r.code != c.code || !strings.Contains(r.stderr, c.want) && !strings.Contains(r.stderr, "m (minutes)") {
			t.Errorf("%s: %+v", c.args, r)
		}
	}
}

// TestIndexCompactsTheHistory checks that index compacts the history without losing any of it.
func TestIndexCompactsTheHistory(t *testing.T) {
	t.Parallel()
	w, _ := newMantaWorld(t, 0)
	w.triaged(5)
	w.must("unticket", "--yes", "cmd=cmd*")
	w.must("unset", "cmd=cmd*", "count")
	history := w.must("history", "-n", "0")
	if n := strings.Count(history, "\n"); n != 11 {
		t.Errorf("%d lines", n)
	}
	w.must("index")
	if left := w.sh("find " + w.corpus + "/.thothfs/history -type f | wc -l"); strings.TrimSpace(left) != "1" {
		t.Errorf("%s objects", left)
	}
	if got := w.must("history", "-n", "0"); got != history {
		t.Errorf("%s\nwas\n%s", got, history)
	}
	w.must("undo", "--since", "10m")
	if got := w.must("report", "ticket=OS*"); got != "5\n" {
		t.Error(got)
	}
	time.Sleep(time.Second)
	w.must("index", "--keep-history", "1s")
	if got := w.must("history"); strings.Count(got, "\n") != 1 {
		t.Error(got)
	}
}

// TestValuesAreShownInOneLine checks that a restored object is printed on one line.
func TestValuesAreShownInOneLine(t *testing.T) {
	ch := &history.Change{At: []string{"properties", "source"}}
	for text, want := range map[string]string{
		"{\n\t\t\"time\": \"mtime\"\n\t}": `{"time":"mtime"}`,
		`"a  b"`:                          "a  b",
		"[ 1, 2":                          "[ 1, 2",
	} {
		if got := valueText(ch, &history.Value{Is: true, Size: len(text), Text: []byte(text)}); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
