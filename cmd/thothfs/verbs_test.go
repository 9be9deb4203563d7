package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestVerbsOnACorpusOfTheOriginal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.thothsCorpus()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"ls": {[]string{"ls", "cmd=svc.startd"}, `TIME                 DUMP                             SIG CMD        EXE/NODE SIZE TICKET
2013-07-11T18:11:44Z 01010101000000000000000000000001 -   svc.startd eb9ca020    - OS-2359
`},
		"ls, several": {[]string{"ls", "cmd=svc.startd", "mtime=100y"}, `TIME                 DUMP                             SIG CMD        EXE/NODE SIZE TICKET
2013-07-11T18:11:43Z 02020202000000000000000000000002 -   svc.startd eb9ca020    - -
2013-07-11T18:11:44Z 01010101000000000000000000000001 -   svc.startd eb9ca020    - OS-2359
`},
		"ls of a hash and a property": {[]string{"ls", "01010101", "pid"}, `TIME                 DUMP                             SIG CMD        EXE/NODE SIZE TICKET  PID
2013-07-11T18:11:44Z 01010101000000000000000000000001 -   svc.startd eb9ca020    - OS-2359 70377
`},
		"ls of a crash":    {[]string{"ls", "type=crash", "--no-headers"}, "2013-07-11T18:11:48Z 06060606000000000000000000000006 - - headnode - -\n"},
		"ls of nothing":    {[]string{"ls", "cmd=absent"}, "TIME DUMP SIG CMD EXE/NODE SIZE TICKET\n"},
		"report":           {[]string{"report", "type=core", "cmd=svc*", "cmd"}, "{\n    \"svc.startd\": 2\n}\n"},
		"report, order":    {[]string{"report", "type"}, "{\n    \"crash\": 1,\n    \"core\": 5\n}\n"},
		"report, count":    {[]string{"report", "type=core"}, "5\n"},
		"undefined":        {[]string{"report", "cmd=svc.startd", "ticket=undefined", "pid"}, "{\n    \"2\": 1\n}\n"},
		"stack":            {[]string{"report", "stack=utmpx_postfork*", "pid"}, "{\n    \"70377\": 1\n}\n"},
		"damaged":          {[]string{"report", "cmd=node", "node"}, "{\n    \"n3\": 1\n}\n"},
		"two documents":    {[]string{"report", "properties.panic=BAD*", "type"}, "{\n    \"crash\": 1\n}\n"},
		"info of no match": {[]string{"info", "cmd=absent"}, "[]\n"},
	} {
		if name == "ls" {
			c.args = append(c.args, "ticket=OS-2359")
		}
		t.Run(name, func(t *testing.T) {
			if got := w.must(c.args...); got != c.want {
				t.Errorf("%v\n got %q\nwant %q", c.args, got, c.want)
			}
		})
	}
	t.Run("a hostile value does not reach the terminal", func(t *testing.T) {
		if out := w.must("ls", "platform"); strings.Contains(out, "new\nline") || !strings.Contains(out, `new\nline`) {
			t.Errorf("%q", out)
		}
	})
	t.Run("identifiers on standard input", func(t *testing.T) {
		r := w.tryInput("01010101\n0606\n", "report", "dump=stdin", "type")
		if r.code != 0 || r.stdout != "{\n    \"core\": 1,\n    \"crash\": 1\n}\n" {
			t.Errorf("%+v", r)
		}
	})
}

// TestInfoIsCurrent uses a corpus with more dumps than one Sync compares with the store.
func TestInfoIsCurrent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	args := []string{"info", "--attr-timeout=1ms"}
	set := func(ticket string) {
		for i := range 1500 {
			id := fmt.Sprintf("%032x", i)
			args = append(args[:2+i], id)
			w.put(id+"/info.json", `{"type":"core","ticket":"`+ticket+`"}`)
		}
	}
	set("A-1")
	w.must("report")
	set("B-2")
	if n := strings.Count(w.must(args...), "B-2"); n != 1500 {
		t.Errorf("info shows %d of 1500 edits", n)
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.thothsCorpus()
	var one map[string]any
	if err := json.Unmarshal([]byte(w.must("info", "01010101")), &one); err != nil || one["pid"] != "70377" || one["id"] != nil {
		t.Errorf("one: %v, %v", one, err)
	}
	var several []map[string]any
	if err := json.Unmarshal([]byte(w.must("info", "cmd=svc*")), &several); err != nil || len(several) != 2 || several[0]["id"] != hash(2) {
		t.Errorf("several: %v, %v", several, err)
	}
	r := w.try("info", hash(3))
	if r.code != 0 || !strings.Contains(r.stderr, "damaged") || !json.Valid([]byte(r.stdout)) {
		t.Errorf("a damaged one: %+v", r)
	}
	for _, word := range []string{hash(7), "ffffffff", hash(9), "no-such-file"} {
		if r := w.try("info", word); r.code != 3 || !strings.Contains(r.stderr, "not in the corpus") || r.stdout != "" {
			t.Errorf("info %s: %+v", word, r)
		}
	}
	if r := w.try("info", shippedCores(t)[0]); r.code != 3 {
		t.Errorf("a local dump that is not in the corpus: %+v", r)
	}
	w.must("upload", "--no-stack", shippedCores(t)[0])
	if err := json.Unmarshal([]byte(w.must("info", shippedCores(t)[0])), &one); err != nil || one["pid"] != "802" {
		t.Errorf("by the path of a local dump: %v, %v", one, err)
	}
}

func TestObjectIsTheOriginalsHash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text, err := os.ReadFile("../../dump/testdata/cores/README.md")
	if err != nil {
		t.Fatal(err)
	}
	hashOf := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([\w.-]+\.core) .*\b([0-9a-f]{32}) \|`).FindAllStringSubmatch(string(text), -1) {
		hashOf[m[1]] = m[2]
	}
	for _, path := range shippedCores(t) {
		if got := strings.TrimSpace(w.must("object", path)); got != hashOf[filepath.Base(path)] || got == "" {
			t.Errorf("%s: %s, not %s", filepath.Base(path), got, hashOf[filepath.Base(path)])
		}
	}
	for tool, suffix := range map[string]string{"gzip": "gz", "xz": "xz", "zstd": "zst", "bzip2": "bz2", "lz4": "lz4"} {
		t.Run(tool, func(t *testing.T) {
			need(t, tool)
			w.sh(tool + " -c " + shippedCores(t)[0] + " >packed." + suffix)
			if got := strings.TrimSpace(w.must("object", "packed."+suffix)); got != hashOf[filepath.Base(shippedCores(t)[0])] {
				t.Errorf("%s", got)
			}
			w.sh("head -c 200 packed." + suffix + " >cut." + suffix)
			if r := w.try("object", "cut."+suffix); r.code != 1 || r.stdout != "" {
				t.Errorf("cut: %+v", r)
			}
		})
	}
}

func TestUploadTwiceIsANoOpThatSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	core := shippedCores(t)[0]
	first := w.try("upload", "--no-stack", core)
	if first.code != 0 || strings.Contains(first.stderr, "already") || !strings.HasSuffix(first.stdout, "  "+core+"\n") {
		t.Fatalf("%+v", first)
	}
	before := w.sh("find corpus -type f -printf '%p %T@ %s\n' | sort")
	again := w.try("upload", "--no-stack", core)
	if again.code != 0 || again.stdout != first.stdout || !strings.Contains(again.stderr, "already") {
		t.Errorf("again: %+v", again)
	}
	if after := w.sh("find corpus -type f -printf '%p %T@ %s\n' | sort"); after != before {
		t.Errorf("something was written:\n%s\n%s", before, after)
	}
}

func TestUploadTakesWhatOptionsSay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := firstWord(w.must("upload", "--no-stack", "--node", "db7", "--platform", "joyent_1", "--time", "2013-07-11T18:11:43Z", shippedCores(t)[0]))
	if got := w.must("ls", "node=db7", "platform"); !strings.Contains(got, "2013-07-11T18:11:43") || !strings.Contains(got, "joyent_1") || !strings.Contains(got, id[:16]) {
		t.Errorf("%s", got)
	}
}

func TestUploadSaysWhatItDoesNotTake(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sh("echo hello >text; printf MDMP%096d 0 >mini; mkfifo pipe; : >empty")
	for file, want := range map[string]string{"text": "not a core", "mini": "minidump", "pipe": "regular", "empty": "not a core", "absent": "no such file"} {
		if r := w.try("upload", file); r.code != 1 || !strings.Contains(strings.ToLower(r.stderr), want) || r.stdout != "" {
			t.Errorf("%s: %+v", file, r)
		}
	}
	if out := strings.TrimSpace(w.sh("find corpus -type f | grep -v /.thothfs/ | wc -l")); out != "0" {
		t.Errorf("%s files were left in the corpus", out)
	}
}

func TestUploadGoesOnAfterABadFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.try("upload", "--no-stack", "absent", shippedCores(t)[0])
	if r.code != 1 || len(strings.Fields(r.stdout)) != 2 {
		t.Errorf("%+v", r)
	}
}

func TestBadInputIsRefusedInWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.thothsCorpus()
	w.put("0101ffff"+strings.Repeat("0", 24)+"/info.json", `{"type":"core"}`)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"unknown verb":     {[]string{"frob"}, "frob"},
		"unknown flag":     {[]string{"ls", "--frob"}, "--help"},
		"ambiguous":        {[]string{"info", "0101"}, "ambiguous"},
		"short prefix":     {[]string{"info", "0"}, "at least 4 digits"},
		"bad age":          {[]string{"ls", "mtime=soon"}, "soon"},
		"bad limit":        {[]string{"ls", "limit=x"}, "limit"},
		"a period":         {[]string{"report", "--by", "decade"}, "hour, day, week, month or year"},
		"no corpus there":  {[]string{"ls", "--store", filepath.Join(w.dir, "absent")}, "no such directory"},
		"manta without":    {[]string{"ls", "--store", "manta:"}, "MANTA_URL"},
		"bad poll":         {[]string{"ls", "--poll", "often"}, "poll"},
		"bad upload time":  {[]string{"upload", "--time", "noon", "x"}, "2013-07-11"},
		"object of a text": {[]string{"object", os.DevNull}, "regular"},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.try(c.args...)
			if r.code == 0 || !strings.Contains(r.stderr, c.want) || r.stdout != "" {
				t.Errorf("%v: %+v", c.args, r)
			}
		})
	}
	t.Run("bad environment", func(t *testing.T) {
		w.setenv("THOTHFS_POLL=often")
		if r := w.try("ls"); r.code == 0 || !strings.Contains(r.stderr, "THOTHFS_POLL") {
			t.Errorf("%+v", r)
		}
	})
}

func TestHelpNamesEveryVerbAndFlag(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	help := w.must("--help")
	for _, word := range []string{"mount", "umount", "upload", "ls", "info", "report", "object", "version",
		"--store", "--cache-dir", "--cache-size", "--poll", "--attr-timeout", "--log", "--verbose"} {
		if !strings.Contains(help, word) {
			t.Errorf("no %s in --help", word)
		}
	}
	if out := w.must("version"); !strings.HasPrefix(out, "thothfs ") {
		t.Errorf("%q", out)
	}
}
