package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// configure writes the world's configuration file.
func (w *world) configure(text string) (path string) {
	w.t.Helper()
	path = filepath.Join(w.dir, ".config", "thothfs", "config.toml")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// TestConfigFile checks that a flag counts before the environment, and that before the file.
func TestConfigFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := w.configure("store = \"/from/file\"\npoll = \"7s\"\ncache-size = \"2GiB\"\n\n[history]\nlimit = 3\npoll = \"9s\"\n\n[mount]\noptions = [\"ro\", \"noatime\"]\n")
	w.setenv("THOTHFS_POLL=8s", "MANTA_URL=http://user:secret@host", "MANTA_KEY_ID=secret")
	var e effective
	text := w.must("config", "-o", "json", "--attr-timeout", "3s")
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	got := map[string]setting{}
	for _, s := range e.Settings {
		got[s.Verb+" "+s.Flag] = s
	}
	for name, want := range map[string]setting{
		" store":        {"", "store", w.corpus, "THOTHFS_STORE"},
		" poll":         {"", "poll", "8s", "THOTHFS_POLL"},
		" cache-size":   {"", "cache-size", "2.0 GiB", "line 3"},
		" attr-timeout": {"", "attr-timeout", "3s", "flag"},
		" verbose":      {"", "verbose", "false", "default"},
		"history limit": {"history", "limit", "3", "line 6"},
		"mount options": {"mount", "options", "noatime", "line 10"},
		" MANTA_URL":    {"", "MANTA_URL", "http://host", "environment"},
	} {
		if got[name] != want {
			t.Errorf("%s: %+v, want %+v", name, got[name], want)
		}
	}
	if e.File != path || !e.Exists || strings.Contains(text, "secret") {
		t.Errorf("%s", text)
	}
	if text := w.must("config"); !strings.Contains(text, "\nfile: "+path+"\n") || !strings.Contains(text, "[history] limit") {
		t.Errorf("%s", text)
	}
	// The table of the verb applies to that verb alone, and a flag of another type is refused with its line.
	w.configure("[ls]\nfresh = true\n[history]\nlimit = \"many\"\n")
	w.must("upload", "--no-stack", shippedCores(t)[0])
	w.must("ls")
	if r := w.try("history"); r.code != exitUsage || !strings.Contains(r.stderr, path+`:4: limit = "many"`) {
		t.Errorf("%+v", r)
	}
}

func TestConfigFileRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for text, want := range map[string]string{
		"\nstor = \"x\"":      `:2: unknown key "stor"; did you mean "store"?`,
		"complete = \"idle\"": `:1: "complete" is not a global flag: put it into the table of its verb, as [mount]`,
		"[mout]\nlearn=true":  `:2: unknown verb "mout"; did you mean "mount"?`,
		"[mount]\nlern=true":  `:2: unknown key "lern"; did you mean "learn"?`,
		"help = true":         `:1: unknown key "help"`,
		"store = ":            `:1: `,
	} {
		path := w.configure(text)
		if r := w.try("status"); r.code == 0 || r.stdout != "" || !strings.Contains(r.stderr, path+want) {
			t.Errorf("%q: %+v", text, r)
		}
	}
	path := w.configure("[cache.clean]\nall = true\n")
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if r := w.try("cache", "clean"); r.code != 0 || !strings.Contains(r.stderr, "config.toml is writable by everybody") || !strings.Contains(r.stderr, "0 objects removed") {
		t.Errorf("%+v", r)
	}
	w.configure("nonsense")
	w.must("version")
	w.setenv("XDG_CONFIG_HOME=" + filepath.Join(w.dir, "elsewhere"))
	if text := w.must("config"); !strings.Contains(text, "elsewhere/thothfs/config.toml (there is none)") {
		t.Errorf("%s", text)
	}
}

// TestVariablesOfFlags checks that a variable sets one flag of one verb.
func TestVariablesOfFlags(t *testing.T) {
	t.Parallel()
	root := rootCommand(&cli{getenv: func(string) string { return "" }})
	names := map[string]string{} // the flags by variable
	add := func(cmd *cobra.Command, f *pflag.Flag) {
		for _, name := range envNames(cmd, f) {
			if other := names[name]; other != "" {
				t.Errorf("%s sets %s and %s --%s", name, other, verbName(cmd), f.Name)
			}
			names[name] = strings.TrimSpace(verbName(cmd) + " --" + f.Name)
		}
	}
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) { add(root, f) })
	var addAll func(cmd *cobra.Command)
	addAll = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			sub.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { add(sub, f) })
			addAll(sub)
		}
	}
	addAll(root)
	for name, want := range map[string]string{
		"THOTHFS_CACHE_DIR": "--cache-dir", "THOTHFS_GET_OUTPUT": "get --output", "THOTHFS_TRASH_EMPTY_OLDER_THAN": "trash empty --older-than",
		"THOTHFS_MOUNT_LEARN": "mount --learn", "THOTHFS_LEARN": "mount --learn", "THOTHFS_OUTPUT": "", "THOTHFS_YES": "", "THOTHFS_FORCE": "",
	} {
		if names[name] != want {
			t.Errorf("%s sets %q, want %q", name, names[name], want)
		}
	}

	w := newWorld(t)
	id := firstWord(w.must("upload", "--no-stack", shippedCores(t)[0]))
	w.setenv("THOTHFS_OUTPUT=json", "THOTHFS_LS_OUTPUT=name")
	if got := w.must("ls"); got != id+"\n" {
		t.Error(got)
	}
	w.must("get", id)
	if _, err := os.Stat(filepath.Join(w.dir, "json")); err == nil {
		t.Error("get took the variable of another verb")
	}
	w.setenv("THOTHFS_LS_OUTPUT=x", "THOTHFS_POLL=1h", "THOTHFS_STATUS_OUTPUT=json")
	if r := w.try("ls"); r.code != exitUsage || !strings.Contains(r.stderr, `THOTHFS_LS_OUTPUT="x" in the environment`) {
		t.Errorf("%+v", r)
	}
	if got := w.must("status"); !strings.HasPrefix(got, "{") {
		t.Error(got)
	}
}
