package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"thothfs/cmd/thothfs/check"
	"thothfs/corpus/trash"
	"thothfs/dump/dumptest"
)

// TestTrash removes dumps while they are mounted on this machine and on another one.
func TestTrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, node := range []string{"a", "b"} {
		w.write("vmdump."+node, dumptest.Vmdump(node, 1000+i))
	}
	ids := []string{firstWord(w.must("upload", "vmdump.a")), firstWord(w.must("upload", "vmdump.b"))}
	w.must("set", ids[0], "triage", "bmc")
	w.mount("--poll=1h", "--attr-timeout=1h")
	second := *w
	second.mnt = t.TempDir()
	second.setenv("THOTHFS_CACHE_DIR=" + t.TempDir()) // as on another machine
	second.mount("--poll=100ms", "--attr-timeout=100ms")
	shown := func(m string) string { return strings.TrimSpace(w.sh("cd " + m + "; ls by-hash; ls by-node")) }
	both := strings.Join([]string{min(ids[0], ids[1]), max(ids[0], ids[1]), "a", "b"}, "\n")
	waitFor(t, "both are shown", func() bool { return shown(w.mnt) == both && shown(second.mnt) == both })
	document := w.sh("cat mnt/by-hash/" + ids[0] + "/info.json")

	if r := w.try("rm", "--dry-run", "node=a"); r.code != 0 || r.stdout != ids[0]+"\n" {
		t.Errorf("%+v", r)
	}
	if r := w.try("rm", "node=a"); r.code != 0 || !strings.Contains(r.stderr, "1 dump moved to the trash") {
		t.Errorf("%+v", r)
	}
	one := ids[1] + "\nb"
	waitFor(t, "one is shown", func() bool { return shown(w.mnt) == one && shown(second.mnt) == one })
	if got := w.must("ls"); strings.Contains(got, ids[0][:16]) {
		t.Error(got)
	}
	if r := w.try("info", ids[0]); r.code != 3 {
		t.Errorf("%+v", r)
	}
	if got := strings.Split(w.must("trash", "ls"), "\n"); len(got) != 3 || !strings.Contains(got[1], ids[0][:16]+"  a ") || !strings.HasSuffix(got[0], "SIZE") {
		t.Errorf("%q", got)
	}
	if got := w.must("trash", "ls", "--json"); !strings.Contains(got, `"triage": "bmc"`) {
		t.Error(got)
	}
	if r := w.try("trash", "restore", ids[1]); r.code != 3 {
		t.Errorf("%+v", r)
	}
	w.must("trash", "restore", ids[0][:6])
	waitFor(t, "both are shown again", func() bool { return shown(w.mnt) == both && shown(second.mnt) == both })
	if got := w.sh("cat mnt/by-hash/" + ids[0] + "/info.json; cmp vmdump.a mnt/by-hash/" + ids[0] + "/vmdump.a"); got != document {
		t.Errorf("restored as %s, not %s", got, document)
	}

	w.must("rm", ids[0], ids[1])
	for args, want := range map[string]struct {
		code   int
		stderr string
	}{
		"trash empty":                 {2, "2 dumps would be deleted for good: give --yes"},
		"trash empty --older-than 1d": {0, "0 dumps deleted"},
		"trash restore":               {2, "--since TIME"},
		"trash restore zz":            {2, "not a hash"},
		"trash nosuch":                {2, "usage: thothfs trash"},
		"rm":                          {2, "usage: thothfs rm"},
	} {
		if r := w.try(strings.Fields(args)...); r.code != want.code || !strings.Contains(r.stderr, want.stderr) {
			t.Errorf("%s: %+v", args, r)
		}
	}
	w.must("trash", "restore", "--since", "1h")
	w.must("rm", "node=b")
	w.must("trash", "empty", "--yes")
	if _, err := os.Stat(w.corpus + "/" + ids[1]); err == nil {
		t.Error("the bytes are still there")
	}
	waitFor(t, "one is left", func() bool { return shown(second.mnt) == ids[0]+"\na" })
	if got := w.must("trash", "ls", "--json"); got != "[]\n" {
		t.Error(got)
	}
}

// TestTrashEmptyLeavesOutWhatIsInTheCorpus empties the trash while it has an entry of a dump that was uploaded
// again.
func TestTrashEmptyLeavesOutWhatIsInTheCorpus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []string
	for _, node := range []string{"a", "b"} {
		w.write("vmdump."+node, dumptest.Vmdump(node, 1000))
		ids = append(ids, firstWord(w.must("upload", "vmdump."+node)))
	}
	w.must("rm", ids[0], ids[1])
	w.must("upload", "vmdump.a")
	w.sh(`sed -i 's/"at":"[0-9]*/"at":"2020/' corpus/.thothfs/trash/*`) // not just being removed
	if got := w.must("trash", "empty", "--dry-run"); got != ids[1]+"\n" {
		t.Error(got)
	}
	if r := w.try("trash", "empty"); r.code != exitUsage || !strings.Contains(r.stderr, "1 dump would be deleted for good") {
		t.Errorf("%+v", r)
	}
	if r := w.try("trash", "empty", "--yes"); r.code != 0 || !strings.Contains(r.stderr, "1 dump deleted") {
		t.Errorf("%+v", r)
	}
	if got := w.must("trash", "ls", "--json"); got != "[]\n" {
		t.Error("an entry is left:", got)
	}
	w.must("rm", ids[0])
	w.must("upload", "vmdump.a")
	w.sh(`sed -i 's/"at":"[0-9]*/"at":"2020/' corpus/.thothfs/trash/*`)
	if r := w.try("trash", "empty"); r.code != 0 || !strings.Contains(r.stderr, "0 dumps deleted") {
		t.Errorf("nothing to ask for: %+v", r)
	}
	if got := w.must("trash", "ls", "--json") + w.must("ls", "-q"); got != "[]\n"+ids[0]+"\n" {
		t.Error(got)
	}
}

func TestRmAsksOnATerminal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("vmdump.0", dumptest.Vmdump("a", 1000))
	id := firstWord(w.must("upload", "vmdump.0"))
	for _, step := range []struct {
		args, question, answer, want string
		code                         int
	}{
		{"rm " + id, "Move 1 dump to the trash? [y/N]", "n\n", "nothing was removed", 1},
		{"rm " + id, "Move 1 dump to the trash? [y/N]", "y\n", "1 dump moved to the trash", 0},
		{"trash empty", "for good? [y/N]", "\n", "nothing was deleted", 1},
		{"trash empty", "for good? [y/N]", "yes\n", "1 dump deleted", 0},
	} {
		term := onTerminal(t, w.command(strings.Fields(step.args)...))
		term.expect(step.question)
		term.send(step.answer)
		term.expect(step.want)
		if code := term.code(); code != step.code {
			t.Errorf("%s: exit %d:\n%s", step.args, code, term.text())
		}
	}
}

// TestJSONOfCheckAndTrashIsSafe prints names with characters that control a terminal.
func TestJSONOfCheckAndTrashIsSafe(t *testing.T) {
	t.Parallel()
	const hostile, escaped = "<a>\u009b2J\u202e\x7f", `\u009b2J\u202e\u007f`
	var out bytes.Buffer
	cl := &cli{stdout: &out}
	if err := cl.writeCheck(&check.Report{Findings: []check.Finding{{Object: hostile}}}, true); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, `            "object": "<a>`+escaped+`",`) || !strings.HasSuffix(got, "    ]\n}\n") {
		t.Errorf("check: %q", got)
	}
	out.Reset()
	document, err := json.Marshal(map[string]string{"cmd": hostile})
	if err != nil {
		t.Fatal(err)
	}
	if err := cl.writeTrashJSON([]*trash.Entry{{By: hostile, Document: document}}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Count(got, escaped) != 2 || strings.ContainsAny(got, "\u009b\u202e\x7f") || !strings.HasSuffix(got, "    }\n]\n") {
		t.Errorf("trash ls: %q", got)
	}
}
