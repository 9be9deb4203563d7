package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestAnalyzeArticleTicket runs the article's analyzer that sets ticket OS-2359, verbatim.
func TestAnalyzeArticleTicket(t *testing.T) {
	t.Parallel()
	onBothJSONs(t, func(t *testing.T, prepare func(*world)) {
		w := newWorld(t)
		w.analyzing()
		w.illumosTools()
		prepare(w)
		w.dump(1, "svc.startd", "frame libc.so.1`_lwp_kill+0x15()\nframe utmpx_postfork+0x44()\n")
		w.dump(2, "svc.startd", "frame libc.so.1`_lwp_kill+0x15()\nframe main+0x44()\n")
		w.dump(3, "svc.configd", "frame utmpx_postfork+0x44()\n")
		w.dump(4, "svc.startd", "frame utmpx_postfork+0x44()\n", `"ticket": "OS-1"`)
		w.put(hash(5)+"/vmdump.0", "frame utmpx_postfork+0x44()\n")
		w.put(hash(5)+"/info.json", `{"type": "crash", "cmd": "svc.startd"}`)
		before := w.info(2) + w.info(3) + w.info(5)
		script, err := os.ReadFile("testdata/article/OS-2359")
		if err != nil {
			t.Fatal(err)
		}
		if r := w.tryInput(string(script), "analyzer", "OS-2359"); r.code != 0 {
			t.Fatalf("%+v", r)
		}
		r := w.try("analyze", "id=*", "OS-2359")
		want := hash(1) + ": successfully diagnosed as OS-2359\n" + hash(4) + ": successfully diagnosed as OS-2359\n"
		if r.code != 0 || r.stdout != want || !strings.Contains(r.stderr, "thothfs: 5 of 5 dumps analyzed, 2 changed\n") {
			t.Errorf("%+v", r)
		}
		if w.info(2)+w.info(3)+w.info(5) != before {
			t.Error("a dump that is none was edited")
		}
		for n, change := range map[int]string{1: "\"node\": \"eb9ca020\",\n\t\"ticket\": \"OS-2359\"\n}\n", 4: "\"node\": \"eb9ca020\",\n\t\"ticket\": \"OS-2359\"\n}\n"} {
			if got := w.info(n); !strings.HasSuffix(got, change) || !strings.Contains(got, "\"time\": 137356630"+itoa(n)+".50") {
				t.Errorf("%s", got)
			}
		}
		w.nothingLeft()
	})
}

// TestAnalyzeArticlePaniclog runs the article's analyzer that finds a log in Manta, verbatim.
func TestAnalyzeArticlePaniclog(t *testing.T) {
	t.Parallel()
	onBothJSONs(t, func(t *testing.T, prepare func(*world)) {
		w, srv := newMantaWorld(t, time.Millisecond)
		w.analyzing()
		w.illumosTools()
		prepare(w)
		w.dump(1, "a", "env HOME=/\nenv SMF_FMRI=svc:/system/moray:default\n")
		w.dump(2, "b", "env SMF_FMRI=svc:/system/other:default\n")
		w.dump(3, "c", "env HOME=/\n")
		log := "before\nPANIC: \"bad\\n\"\tvalue\nafter\n"
		if _, err := srv.PutObject("/alice/stor/logs/moray/2013/07/11/18/eb9ca020.log", []byte(log)); err != nil {
			t.Fatal(err)
		}
		script, err := filepath.Abs("testdata/article/paniclog")
		if err != nil {
			t.Fatal(err)
		}
		r := w.try("analyze", "id=*", script)
		want := "=== " + hash(1) + " ===\nlog: moray/2013/07/11/18/eb9ca020.log\npaniclog:\n" + log +
			"=== " + hash(2) + " ===\nlog: other/2013/07/11/18/eb9ca020.log\n  (not found)\n"
		if r.code != 0 || r.stdout != want || !strings.Contains(r.stderr, "3 of 3 dumps analyzed, 1 changed") {
			t.Errorf("%+v", r)
		}
		if got, want := w.must("info", hash(1)), `"paniclog": "before\nPANIC: \"bad\\n\"\tvalue\nafter"`; !strings.Contains(got, want) {
			t.Errorf("%s", got)
		}
		w.nothingLeft()
	})
}

// TestAnalyzeRewritesInfo checks that an analyzer may rewrite its whole info.json, as the stock
// ones do, and that only its changes are stored.
func TestAnalyzeRewritesInfo(t *testing.T) {
	t.Parallel()
	rewrite := `
		printf '{ "properties": { "frames": [ "a()", "b()" ], "deep": { "y": 2 } } }\n' >more
		cat $THOTH_INFO more | json --deep-merge >$THOTH_INFO.tmp
		mv $THOTH_INFO.tmp $THOTH_INFO
		mput -qf $THOTH_INFO $THOTH_INFO_OBJECT
		thoth_load
		echo "$THOTH_NAME: $(json properties.frames.1 <$THOTH_INFO)"`
	merge := `printf '{ "properties": { "frames": [ "a()", "b()" ], "deep": { "y": 2 } } }\n' >more; thoth_load more; echo "$THOTH_NAME: b()"`
	evaluate := `
		json -I -f $THOTH_INFO -e 'this.properties.frames = ["a()", "b()"]; this.properties.deep.y = 2; this.cmd = "other"' 2>/dev/null
		thoth_load
		echo "$THOTH_NAME: b()"`
	onBothJSONs(t, func(t *testing.T, prepare func(*world)) {
		for name, script := range map[string]string{"deep-merge": rewrite, "thoth_load FILE": merge, "json -e": evaluate} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.analyzing()
				prepare(w)
				if name == "json -e" && !strings.Contains(w.envValue("PATH"), "npm-json") {
					w.dump(1, "a", "x")
					if r := w.try("analyze", "id=*", w.script("x", "set -e; json -e 'this.a=1' <$THOTH_INFO")); r.code != 1 || !strings.Contains(r.stderr, "needs the json of npm") {
						t.Errorf("%+v", r)
					}
					return
				}
				w.dump(1, "a", "x", `"unknown": [ 1.0, 1e3 ]`, `"properties": { "n": 1.50, "deep": { "x": 2.50 } }`)
				before := w.info(1)
				r := w.try("analyze", "id=*", w.script("x", script))
				if r.code != 0 || r.stdout != hash(1)+": b()\n" || strings.Contains(r.stderr, "not stored") != (name == "json -e") {
					t.Errorf("%+v", r)
				}
				got := w.info(1)
				for _, added := range []string{`, "y": 2`, `\s*, "frames": \[\s*"a\(\)",\s*"b\(\)"\s*\]`} {
					got = regexp.MustCompile(added).ReplaceAllString(got, "")
				}
				if got != before {
					t.Errorf("%s", w.info(1))
				}
			})
		}
	})
}

func TestAnalyzeRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.analyzing()
	w.dump(1, "a", "x")
	w.put("analyzers/broken", "if true; then")
	ok := w.script("ok", "true")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"id=*"}, 2, "usage: thothfs analyze SPEC... ANALYZER"},
		{[]string{"id=*", "absent"}, 1, "no analyzer"},
		{[]string{"id=*", "broken"}, 1, "is not a script that bash can read"},
		{[]string{"id=*", "../analyze_test.go"}, 1, "no analyzer"},
		{[]string{"id=*", w.dir}, 1, "regular file"},
		{[]string{"ffffffff", ok}, 3, "not in the corpus"},
		{[]string{"nonsense", ok}, 3, "not in the corpus"},
		{[]string{"id=*", ok, "--shard=4/4"}, 2, "I/N"},
		{[]string{"id=*", ok, "--shard=x"}, 2, "I/N"},
		{[]string{"id=*", ok, "--jobs=0"}, 2, "at least 1"},
		{[]string{"id=*", ok, "--timeout=-1s"}, 2, "duration"},
		{[]string{"cmd=absent", ok}, 0, "no dump matches"},
	} {
		if r := w.try(append([]string{"analyze"}, c.args...)...); r.code != c.code || !strings.Contains(r.stderr, c.want) || r.stdout != "" {
			t.Errorf("%v: %+v", c.args, r)
		}
	}
	w.setenv("PATH=" + filepath.Dir(mustLook(t, "bash")))
	if _, err := os.Stat(filepath.Join(filepath.Dir(mustLook(t, "bash")), "mdb")); err != nil {
		if r := w.try("analyze", "id=*", "::stack"); r.code != 1 || !strings.Contains(r.stderr, "mdb is not installed") {
			t.Errorf("%+v", r)
		}
	}
	w.nothingLeft()
}

// TestAnalyzeEnvironment checks that names and values with characters special to the shell or JSON
// are treated as plain values, even under set -eu, and that the environment is as documented.
func TestAnalyzeEnvironment(t *testing.T) {
	t.Parallel()
	onBothJSONs(t, func(t *testing.T, prepare func(*world)) {
		w := newWorld(t)
		w.analyzing()
		prepare(w)
		evil := `$(touch ` + w.dir + `/pwned) "'\` + "`" + ` %s -n é` + "\n\tx\n"
		w.put(hash(1)+"/core a;b", "x")
		w.put(hash(1)+"/info.json", `{"type":"core","cmd":"-n","psargs":"$(touch `+w.dir+`/pwned)","properties":{"gone":1}}`)
		script := w.script("x", `
			set -euo pipefail
			[[ $THOTH_DUMP == "$MANTA_INPUT_FILE" && -f $THOTH_DUMP ]]
			[[ $THOTH_NAME == `+hash(1)+` && $THOTH_TYPE == core && $THOTH_DIR == `+w.corpus+`/$THOTH_NAME ]]
			[[ $MANTA_INPUT_OBJECT == "$THOTH_DIR/core a;b" && -n ${MANTA_USER+set} && $# == 0 ]]
			[[ $(stat -c %a .) == 700 && $(stat -c %a $THOTH_INFO) == 600 && $PWD == "$THOTH_TMPDIR" ]]
			read -r _ _ _ _ group session _ </proc/$$/stat
			[[ $group == $$ && $session == $$ ]]
			if read -r line; then exit 9; fi
			evil=$(cat `+w.dir+`/evil; echo .); evil=${evil%.}
			thoth_set evil "$evil"
			thoth_set evil2 <`+w.dir+`/evil
			IFS=,; thoth_set words a b '*'
			thoth_set -x -y
			thoth_set number 1.50
			thoth_set a.b.c '{"x":[1]}'
			head -c 300000 /dev/zero | tr '\0' x | thoth_set big
			thoth_set big2 "$(head -c 300000 /dev/zero | tr '\0' y)"
			thoth_unset gone
			thoth_ticket OS-7; thoth_unticket; thoth_unticket; thoth_set_sys ticket OS-8; thoth_unset_sys ticket
			json cmd <$THOTH_INFO`)
		w.script("evil", evil)
		if r := w.try("analyze", hash(1), script); r.code != 0 || r.stdout != "-n\n" {
			t.Fatalf("%+v", r)
		}
		if _, err := os.Stat(filepath.Join(w.dir, "pwned")); err == nil {
			t.Error("a value was run")
		}
		for property, want := range map[string]string{"evil": evil, "evil2": strings.TrimSuffix(evil, "\n"), "words": "a b *", "-x": "-y", "number": "1.50",
			"a.b.c.x": "[1]", "big": strings.Repeat("x", 300000), "big2": strings.Repeat("y", 300000)} {
			doc := parseInfo(t, w.info(1))
			if got := doc.String("properties." + property); got != want {
				t.Errorf("%s: %.100q, not %.100q", property, got, want)
			}
		}
		if doc := parseInfo(t, w.info(1)); doc.String("properties.gone")+doc.String("ticket") != "" {
			t.Errorf("still there: %s", doc.Raw())
		}
	})
}

// TestAnalyzeConcurrentSets checks that all concurrent edits within an analyzer take effect.
func TestAnalyzeConcurrentSets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.analyzing()
	w.dump(1, "a", "x")
	w.must("analyze", "id=*", w.script("x", `for i in {1..8}; do thoth_set p$i $i & done; wait`))
	doc := parseInfo(t, w.info(1))
	for i := 1; i <= 8; i++ {
		if doc.String("properties.p"+itoa(i)) != itoa(i) {
			t.Errorf("p%d is lost", i)
		}
	}
}

// TestAnalyzeOddDumps checks that an analyzer can read a damaged document, and edit it where that
// loses nothing. A purged dump is skipped; a missing dump is a failure.
func TestAnalyzeOddDumps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.analyzing()
	w.thothsCorpus()
	w.put(hash(9)+"/info.json", `{"type":"core","properties":{"purged":"true"}}`)
	w.put(hash(10)+"/info.json", `{"type":"core"}`)
	r := w.try("analyze", "id=*", w.script("x", `thoth_set cmd "$(json cmd <$THOTH_INFO)"; cat $THOTH_DUMP | wc -c | thoth_set size`))
	if r.code != 1 || !strings.Contains(r.stderr, "6 of 8 dumps analyzed, 6 changed; 1 failed; 1 purged and left out") || !strings.Contains(r.stderr, hash(10)+": failed: there is no dump") {
		t.Errorf("%+v", r)
	}
	if doc := parseInfo(t, w.info(3)); !doc.IsJSON() || doc.String("properties.cmd") != "node" || doc.String("psargs") != `node -e "console.log(1)"` {
		t.Errorf("%s", doc.Raw())
	}
	if doc := parseInfo(t, w.info(6)); doc.String("properties.panic") != "BAD TRAP" || doc.String("properties.size") != "5" {
		t.Errorf("%s", doc.Raw())
	}
}

// TestAnalyzeWhatIsRun checks that debugger commands run in their debugger, and that messages say
// where an analyzer comes from.
func TestAnalyzeWhatIsRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.analyzing()
	w.illumosTools()
	w.dump(1, "a", "frame main+0x44()\n")
	w.put("analyzers/both", "echo corpus")
	w.script("both", "echo file")
	w.script("signature", "echo file")
	w.script("mine", "echo file")
	w.put("analyzers/environment", "echo corpus")
	for _, c := range []struct {
		word   string
		code   int
		stdout string
		stderr string
	}{
		{"::stack", 0, "main+0x44()\n", ""},
		{"both", 0, "corpus\n", ""},
		{"./both", 0, "file\n", ""},
		{w.dir + "/both", 0, "file\n", ""},
		{"signature", 1, "", "not the core of a Linux process"}, // built-in, whatever files are here
		{"environment", 0, "corpus\n", "running the corpus's analyzer environment; builtin:environment is the one that comes with thothfs"},
		{"builtin:environment", 1, "", "core of a Linux process"},
		{"builtin:both", 1, "", `there is no built-in analyzer "both"`},
		{"mine", 1, "", "give ./mine"},
		{"./nosuch", 1, "", "no such file"},
	} {
		if r := w.try("analyze", "id=*", c.word); r.code != c.code || r.stdout != c.stdout || !strings.Contains(r.stderr, c.stderr) {
			t.Errorf("%s: %+v", c.word, r)
		}
	}
	if r := w.try("analyze", "id=*", "$c"); r.code != 1 || !strings.Contains(r.stderr, "$c is not known") {
		t.Errorf("%+v", r)
	}
	t.Run("gdb", func(t *testing.T) {
		need(t, "gdb", "gcc")
		c := crashWorker(t, w.dir, 4, 16)
		id := firstWord(w.must("upload", "--no-stack", c.core))
		if got := w.must("analyze", id, "gdb:bt\ninfo threads"); !strings.Contains(got, "run_job") || !strings.Contains(got, "Thread") {
			t.Errorf("%s", got)
		}
	})
}
