package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// put writes an object directly into a directory corpus, as the original thoth would.
func (w *world) put(key, text string) {
	w.t.Helper()
	path := filepath.Join(w.corpus, key)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		w.t.Fatal(err)
	}
}

// hash returns the hash of the n-th synthetic dump.
func hash(n int) string { return fmt.Sprintf("%08x%024x", n*0x01010101, n) }

// thothsCorpus creates a corpus as the original thoth does, with verbatim info.json files, one
// member per line, some of them damaged, and other objects.
func (w *world) thothsCorpus() {
	core := func(n int, members ...string) {
		w.put(hash(n)+"/core."+itoa(n), strings.Repeat("x", 100+n))
		members = append([]string{
			fmt.Sprintf("\"name\": \"/thoth/stor/thoth/%s\"", hash(n)),
			fmt.Sprintf("\"dump\": \"/thoth/stor/thoth/%s/core.%d\"", hash(n), n),
		}, members...)
		w.put(hash(n)+"/info.json", "{\n\t"+strings.Join(members, ",\n\t")+"\n}\n")
	}
	core(1, `"pid": "70377"`, `"cmd": "svc.startd"`, `"psargs": "/lib/svc/bin/svc.startd"`, `"platform": "joyent_20130625T221319Z"`, `"node": "eb9ca020"`, `"version": "1"`,
		`"time": 1373566304`, "\"stack\": [ \"libc.so.1`_lwp_kill+0x15()\", \"utmpx_postfork+0x44()\" ]", `"type": "core"`, `"ticket": "OS-2359"`,
		`"properties": { "triage": { "engineer": "bmc" }, "count": 3 }`)
	core(2, `"pid": "2"`, `"cmd": "svc.startd"`, `"psargs": "x"`, `"platform": "joyent_20130625T221319Z"`, `"node": "eb9ca020"`, `"version": "1"`, `"time": 1373566303`, `"stack": [  ]`, `"type": "core"`)
	core(3, `"pid": "3"`, `"cmd": "node"`, `"psargs": "node -e "console.log(1)""`, `"platform": "p"`, `"node": "n3"`, `"version": "1"`, `"time": 1373566305`, `"stack": [ ]`, `"type": "core"`)
	core(4, `"pid": "4"`, `"cmd": "a/b"`, `"node": "../../etc"`, `"platform": "new\nline"`, `"time": 1373566306`, `"type": "core"`)
	core(5, `"pid": "5"`, `"cmd": "`+strings.Repeat("c", 300)+`"`, `"node": ".."`, `"platform": "."`, `"time": 1373566307`, `"type": "core"`)
	w.put(hash(6)+"/vmdump.0", "crash")
	w.put(hash(6)+"/info.json", `{"name":"/thoth/stor/thoth/`+hash(6)+`","dump":"/thoth/stor/thoth/`+hash(6)+`/vmdump.0","platform":"joyent_2013","node":"headnode","version":"1","time":"1373566308","type":"crash","properties":{}}`+"\n"+`{ "properties": { "panic": "BAD TRAP" } }`+"\n")
	w.put(hash(7)+"/core.unfinished", "no document yet")
	w.put(hash(8)+"-unindexed.json", "{}")
	w.put("config.json", "{}")
	w.put("analyzers/fmri", "echo fmri\n")
	w.put("not-a-dump/info.json", "{}")
}

func itoa(n int) string { return fmt.Sprint(n) }

func TestTreeInTheShell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.thothsCorpus()
	w.mount()
	waitFor(t, "the first sync", func() bool { return strings.Count(w.sh("ls mnt/by-hash"), "\n") == 6 })
	for name, c := range map[string]struct{ script, want string }{
		"root":               {"ls mnt", "analyzers by-cmd by-exe by-hash by-node by-platform by-signal by-signature by-ticket by-time by-type query"},
		"glob":               {"cd mnt; ls by-cmd/*/*/core | grep -c .", "5"},
		"glob to the files":  {"cd mnt; cat by-cmd/svc.startd/*/core | wc -c", "203"},
		"by-cmd":             {"ls mnt/by-cmd | cut -c1-10", "a%2Fb cccccccccc node svc.startd"},
		"long name is short": {`ls mnt/by-cmd | awk 'length > 255' | wc -l`, "0"},
		"by-node":            {"ls -A mnt/by-node", "%2E%2E ..%2F..%2Fetc eb9ca020 headnode n3"},
		"by-platform":        {"ls mnt/by-platform", "%2E joyent_2013 joyent_20130625T221319Z new%0Aline p"},
		"by-ticket":          {"ls mnt/by-ticket mnt/by-ticket/OS-2359", "mnt/by-ticket: OS-2359 mnt/by-ticket/OS-2359: " + hash(1)},
		"by-type":            {"ls mnt/by-type", "core crash"},
		"by-time":            {"find mnt/by-time -maxdepth 3 -mindepth 3; ls mnt/by-time/2013/07/11 | wc -l", "mnt/by-time/2013/07/11 6"},
		"prefix":             {"readlink mnt/by-hash/01010101; cat mnt/by-hash/01010101/stack | head -1", hash(1) + " libc.so.1`_lwp_kill+0x15()"},
		"query":              {"ls mnt/query/'type=core cmd=svc*'/", hash(1) + " " + hash(2)},
		"query, undefined":   {"ls mnt/query/'type=core cmd=svc* ticket=undefined'/", hash(2)},
		"narrowing":          {"ls mnt/by-cmd/svc.startd/ticket=undefined/", hash(2)},
		"narrowing twice":    {"ls mnt/query/type=core/cmd=svc*/", hash(1) + " " + hash(2)},
		"through narrowing":  {"cat mnt/by-cmd/svc.startd/ticket=undefined/*/core | wc -c", "102"},
		"link in narrowing":  {"readlink mnt/by-cmd/svc.startd/ticket=undefined/*", "../../../by-hash/" + hash(2)},
		"alias":              {"readlink mnt/by-hash/" + hash(6) + "/vmdump mnt/by-hash/" + hash(6) + "/dump; cat mnt/by-hash/" + hash(6) + "/dump", "vmdump.0 vmdump.0 crash"},
		"property file":      {"cat mnt/by-hash/01010101/properties/count", "3"},
		"xattr of the dir":   {"getfattr --only-values -n user.thoth.ticket mnt/by-hash/01010101", "OS-2359"},
		"xattr of the dump":  {"getfattr --only-values -n user.thoth.properties.triage.engineer mnt/by-cmd/svc.startd/01010101*/core", "bmc"},
		"xattr of a query":   {"getfattr --only-values -n user.thoth.node mnt/query/'cmd=a*'/*", "../../etc"},
		"analyzers":          {"cat mnt/analyzers/fmri", "echo fmri"},
		"damaged, served":    {"cmp mnt/by-hash/" + hash(3) + "/info.json corpus/" + hash(3) + "/info.json && echo same", "same"},
		"damaged, read":      {"getfattr --only-values -n user.thoth.node mnt/by-hash/" + hash(3), "n3"},
		"two documents":      {"cat mnt/by-hash/" + hash(6) + "/properties/panic", "BAD TRAP"},
		"mtime of a link":    {"stat -c %Y mnt/by-cmd/svc.startd/" + hash(1), "1373566304"},
		"block size":         {"stat -L -c %o mnt/by-hash/01010101/core", "4096"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(strings.Fields(w.sh(c.script)), " ")
			if want := strings.Join(strings.Fields(c.want), " "); got != want {
				t.Errorf("%s\n got %q\nwant %q", c.script, got, want)
			}
		})
	}
	t.Run("nothing escapes", func(t *testing.T) {
		if out := w.sh("find mnt -xdev | wc -l"); strings.TrimSpace(out) == "0" {
			t.Error(out)
		}
	})
}

func TestErrorsInTheShell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.thothsCorpus()
	twin := hash(1)[:31] + "0"
	w.put(twin+"/info.json", `{"type":"core"}`)
	w.mount()
	waitFor(t, "the first sync", func() bool { return strings.Count(w.sh("ls mnt/by-hash"), "\n") == 7 })
	for name, c := range map[string]struct{ script, want string }{
		"ambiguous prefix":    {"ls mnt/by-hash/01", "not unique"},
		"unknown hash":        {"ls mnt/by-hash/ffff", "No such file"},
		"unknown cmd":         {"ls mnt/by-cmd/absent", "No such file"},
		"malformed query":     {"ls mnt/query/cmd", "No such file"},
		"unfinished upload":   {"ls mnt/by-hash/" + hash(7), "No such file"},
		"no such property":    {"getfattr -n user.thoth.absent mnt/by-hash/" + hash(1), "No such attribute"},
		"write to a dump":     {"echo x >>mnt/by-hash/" + hash(1) + "/core", "Read-only"},
		"remove a dump":       {"rm -f mnt/by-hash/" + hash(1) + "/core.1", "Read-only"},
		"remove the dir":      {"rmdir mnt/by-hash/" + hash(1), "Read-only"},
		"make a file":         {"touch mnt/by-hash/x", "Read-only"},
		"set a field of ours": {"setfattr -n user.thoth.cmd -v X mnt/by-hash/" + hash(1), "not permitted"},
		"chmod":               {"chmod 777 mnt/by-hash/" + hash(1) + "/info.json", "Read-only"},
		"rename":              {"mv mnt/by-hash/" + hash(1) + " mnt/by-hash/y", "Read-only"},
		"truncate":            {"truncate -s 0 mnt/by-hash/" + hash(1) + "/info.json", "Read-only"},
		"climbing out by /..": {"cat mnt/by-node/..%2F..%2Fetc/passwd", "No such file"},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.trySh(c.script)
			if r.code == 0 || !strings.Contains(r.stderr, c.want) {
				t.Errorf("%s: exit %d, %q, not %q", c.script, r.code, r.stderr, c.want)
			}
		})
	}
}

func TestOddObjectNamesInManta(t *testing.T) {
	t.Parallel()
	w, srv := newMantaWorld(t, 0)
	w.thothsCorpus()
	dir := srv.URL + "/alice/stor/thoth/" + hash(1) + "/"
	for _, name := range []string{"%2e", "%2e%2e", "a%0Ab", strings.Repeat("n", 300), "notes.txt"} {
		req, err := http.NewRequest(http.MethodPut, dir+name, strings.NewReader("of "+name[:3]))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			t.Fatalf("PUT %s: %s", name, resp.Status)
		}
	}
	w.mount()
	waitFor(t, "the first sync", func() bool { return strings.Count(w.sh("ls mnt/by-hash"), "\n") == 6 })
	names := strings.Fields(w.sh("ls mnt/by-hash/" + hash(1)))
	for _, want := range []string{"%2E", "%2E%2E", "a%0Ab", "notes.txt", "core.1", "info.json"} {
		found := false
		for _, n := range names {
			found = found || n == want
		}
		if !found {
			t.Errorf("no %s among %q", want, names)
		}
	}
	if got := w.sh("cat mnt/by-hash/" + hash(1) + "/%2E%2E"); got != "of %2e" {
		t.Errorf("the object called ..: %q", got)
	}
	if got := w.sh("cat mnt/by-hash/" + hash(1) + "/nnn*"); got != "of nnn" {
		t.Errorf("the object with a long name: %q", got)
	}
}

func TestAnotherClientsWorkIsSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.thothsCorpus()
	w.mount("--poll", "200ms", "--attr-timeout", "10ms")
	waitFor(t, "the first sync", func() bool { return strings.Count(w.sh("ls mnt/by-hash"), "\n") == 6 })
	id := firstWord(w.must("upload", "--no-stack", shippedCores(t)[0]))
	waitFor(t, "a new dump", func() bool { return w.trySh("ls mnt/by-cmd/a.out/"+id).code == 0 })
	if err := os.RemoveAll(filepath.Join(w.corpus, hash(2))); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a removed dump to go", func() bool { return w.trySh("ls mnt/by-cmd/svc.startd/"+hash(2)).code != 0 })
	w.sh("sed -i s/OS-2359/OS-1/ corpus/" + hash(1) + "/info.json")
	waitFor(t, "an edit, when the dump is looked at", func() bool {
		return w.trySh("getfattr --only-values -n user.thoth.ticket mnt/by-hash/"+hash(1)).stdout == "OS-1"
	})
	waitFor(t, "the view to follow", func() bool {
		return w.trySh("ls mnt/by-ticket/OS-1/"+hash(1)).code == 0 && w.trySh("ls mnt/by-ticket/OS-2359/"+hash(1)).code != 0
	})
}
