package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
