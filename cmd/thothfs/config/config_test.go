package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestParse(t *testing.T) {
	got, err := Parse([]byte(`# a comment
store = "manta:/a#b"
poll = '10s'
verbose = true

[mount] # one verb
complete = "always"
options = ["ro", "allow_other"]
n = 12

[cache.clean]
all = true
`))
	const want = `[{ store [manta:/a#b] 2} { poll [10s] 3} { verbose [true] 4} {mount complete [always] 7} {mount options [ro allow_other] 8} {mount n [12] 9} {cache clean all [true] 12}]`
	if err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := Parse(nil); got != nil || err != nil {
		t.Errorf("nothing: %v, %v", got, err)
	}
	for text, want := range map[string]string{
		"\nstore = ":                  "line 2: ",
		"a = 1\na = 2":                "line 2: ",
		"x":                           "line 1: ",
		"\n\nstore = {a = 1}":         "line 3: store: expected a string",
		"store = 2026-11-30":          "line 1: store: expected a string",
		"options = [[1]]":             "line 1: options: expected a string",
		"mount.complete = \"always\"": `line 1: "mount.complete": expected the name of a flag; the flags of a verb are in a table [VERB]`,
		"\n[[mount]]":                 "line 2: expected [VERB]",
		"\xff":                        "line 1: ",
	} {
		if got, err := Parse([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	if f, err := Read(path); err != nil || len(f.Settings) > 0 || f.Path != path || f.WorldWritable {
		t.Errorf("absent: %+v, %v", f, err)
	}
	if err := os.WriteFile(path, []byte("\nstore = "), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.HasPrefix(err.Error(), path+":2: ") {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(path, []byte("store = 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o606); err != nil {
		t.Fatal(err)
	}
	if f, err := Read(path); err != nil || len(f.Settings) != 1 || !f.WorldWritable {
		t.Errorf("%+v, %v", f, err)
	}
	if err := os.Truncate(path, maxSize+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil {
		t.Error("a large file was read")
	}
	fifo := path + ".fifo"
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(fifo); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("%v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("store = \"x\"\n[mount]\noptions = [\"a\"]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		settings, err := Parse(text)
		for _, s := range settings {
			if s.Line < 1 || s.Flag == "" && !strings.Contains(string(text), `""`) && !strings.Contains(string(text), `''`) {
				t.Errorf("%+v, %v", s, err)
			}
		}
	})
}
