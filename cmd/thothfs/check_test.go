package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"thothfs/dump/dumptest"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	w, srv := newMantaWorld(t, 0)
	for _, node := range []string{"a", "b"} {
		w.write("vmdump."+node, dumptest.Vmdump(node, 1000))
	}
	ids := []string{firstWord(w.must("upload", "vmdump.a")), firstWord(w.must("upload", "vmdump.b"))}
	w.must("index")
	for _, args := range [][]string{{"check"}, {"check", "--read-data"}, {"check", ids[0]}} {
		if r := w.try(args...); r.code != 0 || r.stdout != "" || !strings.Contains(r.stderr, "checked") || !strings.HasSuffix(r.stderr, ": nothing is wrong\n") {
			t.Errorf("%v: %+v", args, r)
		}
	}
	if r := w.try("check", "node=none"); r.code != 0 || !strings.Contains(r.stderr, "no dump matches") {
		t.Errorf("%+v", r)
	}
	if err := srv.Remove("/alice/stor/thoth/" + ids[0] + "/vmdump.a"); err != nil {
		t.Fatal(err)
	}
	if r := w.try("check"); r.code != 1 || r.stdout != ids[0]+": the dump is missing, only info.json is there; thothfs upload of the dump restores it\n" ||
		!strings.HasSuffix(r.stderr, ": 1 problem\n") {
		t.Errorf("%+v", r)
	}
	r := w.try("check", "--json")
	var rep struct {
		Dumps    int
		Findings []struct{ Dump, Problem, Mend string }
	}
	if err := json.Unmarshal([]byte(r.stdout), &rep); err != nil || r.code != 1 || rep.Dumps != 2 || len(rep.Findings) != 1 || rep.Findings[0].Dump != ids[0] {
		t.Errorf("%+v, %v", r, err)
	}
	w.must("upload", filepath.Join(w.dir, "vmdump.a"))
	w.must("check", "--read-data")
}
