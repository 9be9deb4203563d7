package registry

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thothfs/store"
)

func TestLocate(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", "/home/u")
	mantaEnv := map[string]string{"MANTA_URL": "https://m", "MANTA_USER": "u"}
	for _, c := range []struct {
		spec string
		env  map[string]string
		want store.Location
		err  string
	}{
		{spec: "x", want: store.Location{Name: here + "/x", Path: here + "/x", Dir: here + "/x"}},
		{spec: "dir:x", want: store.Location{Name: here + "/x", Path: here + "/x", Dir: here + "/x"}},
		{spec: "dir:", want: store.Location{Name: here, Path: here, Dir: here}},
		{spec: "/a:b", env: mantaEnv, want: store.Location{Name: "/a:b", Path: "/a:b", Dir: "/a:b"}},
		{want: store.Location{Name: "/home/u/.local/share/thothfs/corpus", Path: "/home/u/.local/share/thothfs/corpus", Dir: "/home/u/.local/share/thothfs/corpus"}},
		{env: map[string]string{"XDG_DATA_HOME": "/d"}, want: store.Location{Name: "/d/thothfs/corpus", Path: "/d/thothfs/corpus", Dir: "/d/thothfs/corpus"}},
		{env: mantaEnv, want: store.Location{Name: "manta:/u/stor/thoth", Path: "/u/stor/thoth", Owner: "u"}},
		{env: map[string]string{"MANTA_URL": "https://m", "MANTA_USER": "u", "THOTH_USER": "o"}, want: store.Location{Name: "manta:/o/stor/thoth", Path: "/o/stor/thoth", Owner: "o"}},
		{spec: "manta:/a/stor/b/c", env: mantaEnv, want: store.Location{Name: "manta:/a/stor/b/c", Path: "/a/stor/b/c", Owner: "a"}},
		{spec: "manta:", err: "MANTA_URL is not set"},
		{spec: "./a:b", want: store.Location{Name: here + "/a:b", Path: here + "/a:b", Dir: here + "/a:b"}},
		{spec: "s3://bucket", err: "there is no kind of store s3: expected a `DIR`, or manta:"},
		{spec: "a:b", err: "a directory of that name is ./a:b"},
		{env: map[string]string{"MANTA_URL": "https://m"}, err: "whose corpus?"},
		{spec: "manta:/a/stor", env: mantaEnv, err: "--store manta:/a/stor: must be a path such as /ACCOUNT/stor/thoth"},
		{spec: "manta:a/stor/thoth", env: mantaEnv, err: "must be a path"},
	} {
		got, err := Locate(c.spec, func(name string) string { return c.env[name] })
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q, %v: %v", c.spec, c.env, err)
			}
		} else if err != nil || got.Location != c.want {
			t.Errorf("%q, %v: %+v, %v", c.spec, c.env, got.Location, err)
		}
	}
	t.Setenv("HOME", "")
	if _, err := Locate("", func(string) string { return "" }); err == nil || !strings.Contains(err.Error(), "no corpus named") {
		t.Error(err)
	}
}

func TestOpen(t *testing.T) {
	data := t.TempDir()
	getenv := func(name string) string {
		if name == "XDG_DATA_HOME" {
			return data
		}
		return ""
	}
	o := store.OpenOptions{Getenv: getenv, Log: slog.New(slog.DiscardHandler)}
	for _, c := range []struct {
		spec   string
		create bool
		want   error
	}{{filepath.Join(data, "x"), false, store.ErrAbsent}, {filepath.Join(data, "x"), true, nil}, {"", false, store.ErrAbsent}, {"", true, nil}, {"", false, nil}} {
		corpus, err := Locate(c.spec, getenv)
		if err != nil {
			t.Fatal(err)
		}
		o.Create = c.create
		s, err := corpus.Open(t.Context(), o)
		if !errors.Is(err, c.want) {
			t.Fatalf("%+v: %v", c, err)
		}
		if err == nil {
			s.Close()
		}
	}
}

func TestHelp(t *testing.T) {
	const want = `The corpus: --store DIR, or --store manta:[/ACCOUNT/stor/thoth]; else
$THOTHFS_STORE; else Manta when MANTA_URL is set (with MANTA_USER, MANTA_KEY_ID,
MANTA_SUBUSER, MANTA_NO_AUTH, MANTA_TLS_INSECURE and THOTH_USER, as for thoth);
else the directory $XDG_DATA_HOME/thothfs/corpus.`
	if got := Help(); got != want {
		t.Errorf("%s", got)
	}
	if got := Usage(); got != "a `DIR`, or manta:[/ACCOUNT/stor/thoth]" {
		t.Error(got)
	}
}
