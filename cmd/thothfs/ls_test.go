package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// lsWorld is a world whose dumps 1 to 4 were made 4, 3, 2 and 1 hours ago.
func lsWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	for i := 1; i <= 4; i++ {
		at := time.Now().Add(-time.Duration(5-i) * time.Hour).Unix()
		w.put(hash(i)+"/info.json", fmt.Sprintf(`{"type":"core","cmd":"cmd%d","time":%d,"size":%d,"signal":{"name":"SIGSEGV"},"psargs":%q}`,
			i%2, at, 1000*(i%3+1), strings.Repeat("long ", 1000)))
	}
	return w
}

// TestLsOrder checks which dumps ls lists, in which order.
func TestLsOrder(t *testing.T) {
	t.Parallel()
	w := lsWorld(t)
	ids := hash(1) + "\n" + hash(2) + "\n" + hash(3) + "\n" + hash(4) + "\n"
	for _, c := range []struct{ args, want string }{
		{"", "1 2 3 4"},
		{"-r", "4 3 2 1"},
		{"-n 2", "3 4"},
		{"-n2 -r", "4 3"},
		{"--sort size", "3 1 4 2"},
		{"--sort size -r", "2 4 1 3"},
		{"--sort size -n 1", "2"},
		{"--sort cmd -n 3 -r", "3 1 4"},
		{"--sort time", "1 2 3 4"},
		{"--sort signal limit=3 -n 2", "3 4"},
		{"--since 150min --until 30m", "3 4"},
		{"--since 150sec --until -1m", ""},
		{"--since 150m", "3 4"},
		{"--until 150m", "1 2"},
		{"--since 210m --until 90m cmd=cmd1", "3"},
		{"dump=stdin --sort size -n 3", "1 4 2"},
		{"dump=stdin -r --since 150m", "4 3"},
	} {
		var want []string
		for _, n := range strings.Fields(c.want) {
			want = append(want, hash(int(n[0]-'0')))
		}
		r := w.tryInput(ids, append([]string{"ls", "-q"}, strings.Fields(c.args)...)...)
		if c.want == "" {
			if r.code != exitUsage || !strings.Contains(r.stderr, "2 hours ago") {
				t.Errorf("%s: %+v", c.args, r)
			}
			continue
		}
		if r.code != 0 || strings.Join(strings.Fields(r.stdout), " ") != strings.Join(want, " ") {
			t.Errorf("%s: %+v, want %v", c.args, r, want)
		}
	}
}

// TestLsFormats checks that the formats are valid and refuse what they cannot do.
func TestLsFormats(t *testing.T) {
	t.Parallel()
	w := lsWorld(t)
	if a, b := w.must("ls", "--json"), w.must("ls", "-o", "json"); a != b || !strings.HasPrefix(a, "[\n    {\n        \"id\": \""+hash(1)) {
		t.Errorf("%s\n%s", a, b)
	}
	for args, want := range map[string]string{
		"-o tsv -n 1 --no-headers --utc cmd": "\tcore\tSIGSEGV\tcmd0\t\t\t2000\t\tcmd0\n",
		"-o jsonl -n 1":                      `{"id":"` + hash(4) + `","type":"core"`,
		"-o yaml -n 1":                       "- id: \"" + hash(4) + "\"\n  type: core\n",
		"-n 1 --relative":                    "\n1h ago " + hash(4) + " SIGSEGV cmd0 -        2000 -\n",
		"-n 1 psargs":                        strings.Repeat("long ", 1000) + "\n",
	} {
		if got := w.must(append([]string{"ls"}, strings.Fields(args)...)...); !strings.Contains(got, want) {
			t.Errorf("%s:\n%s", args, got)
		}
	}
	for args, want := range map[string]string{
		"-o xml":          "must be table, wide, json, jsonl, yaml, tsv or name",
		"--sort nosuch":   "must be one of time, type, cmd",
		"-n 0":            "greater than 0",
		"-q cmd":          "prints hashes alone, without cmd",
		"-q --json":       "cannot be combined",
		"--since soonish": "2 hours ago",
	} {
		if r := w.try(append([]string{"ls"}, strings.Fields(args)...)...); r.code != exitUsage || !strings.Contains(r.stderr, want) || r.stdout != "" {
			t.Errorf("%s: %+v", args, r)
		}
	}
}

// TestLsOnATerminal checks that the table fits the terminal, that a pager shows it, and that escape
// sequences reach only terminals that understand them.
func TestLsOnATerminal(t *testing.T) {
	t.Parallel()
	w := lsWorld(t)
	const endOfBar = "\x1b[J"
	ls := func(env []string, args ...string) (string, int) {
		t.Helper()
		cmd := w.command(append([]string{"ls"}, args...)...)
		cmd.Env = append(cmd.Env, env...)
		term := onTerminal(t, cmd)
		code := term.code()
		text := strings.ReplaceAll(term.text(), "\r\n", "\n")
		if i := strings.LastIndex(text, endOfBar); i >= 0 {
			text = text[i+len(endOfBar):]
		}
		return text, code
	}
	for _, args := range [][]string{nil, {"psargs"}, {"psargs", "psargs", "cmd"}} {
		got, code := ls(nil, args...)
		for line := range strings.Lines(got) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
				t.Errorf("%v: a line of %d characters: %s", args, n, line)
			}
		}
		if code != exitOK || !strings.Contains(got, hash(1)[:12]) || strings.Contains(got, "\x1b") || strings.Count(got, "\n") != 5 {
			t.Errorf("%v: %d\n%q", args, code, got)
		}
	}
	if got, code := ls([]string{"PAGER=cat", "TERM=xterm"}); code != exitOK || !strings.Contains(got, "\x1b[31mSIGSEGV\x1b[0m") {
		t.Errorf("no colours: %d %q", code, got)
	}
	if got, code := ls([]string{"PAGER=sed s/SIGSEGV/paged/", "NO_COLOR=1", "TERM=xterm"}); code != exitOK || strings.Count(got, " paged") != 4 || strings.Contains(got, "\x1b") {
		t.Errorf("not through the pager: %d %q", code, got)
	}
	if got, code := ls([]string{"PAGER=nosuchpager"}); code != exitFailure || !strings.Contains(got, "PAGER=nosuchpager cannot be run") {
		t.Errorf("no such pager: %d %q", code, got)
	}
	if got, code := ls([]string{"PAGER=true"}); code != exitOK || got != "" {
		t.Errorf("a pager that ends at once: %d %q", code, got)
	}
	if got, code := ls([]string{"PAGER=true"}, "-q"); code != exitOK || !strings.Contains(got, hash(4)+"\n") {
		t.Errorf("hashes are not paged: %d %q", code, got)
	}
}
