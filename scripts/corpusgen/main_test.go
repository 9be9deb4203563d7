package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	o, err := parse([]string{"--count", "200", "--manta", "thoth", dir}, &out)
	if err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), o, &out, false); err != nil {
		t.Fatal(err)
	}
	made, err := os.ReadDir(filepath.Join(dir, "thoth/stor/thoth"))
	if err != nil || len(made) != 200 || !strings.Contains(out.String(), "200 made in") {
		t.Errorf("%d directories, %v: %s", len(made), err, &out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, o, &out, true); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("%v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, args := range []string{"", "a b", "--count -1 a", "--dump-size many a", "--manta a/b c", "--manta .. c", "--what a"} {
		if _, err := parse(strings.Fields(args), &bytes.Buffer{}); err == nil {
			t.Errorf("%s: no error", args)
		}
	}
	var help bytes.Buffer
	if _, err := parse([]string{"--help"}, &help); err != pflag.ErrHelp || !strings.Contains(help.String(), "--count") {
		t.Errorf("%v: %s", err, &help)
	}
}
