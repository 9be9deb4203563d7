package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestLint(t *testing.T) {
	t.Parallel()
	phrases, err := parseWords("# a comment\n\nmade anew => made again\nbehind -- => after --\n")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file, text string
		want       int
	}{
		"a comment":       {"a.go", "package a\n\n// x is made\n// anew.\nvar x int\n", 1},
		"a string":        {"a.go", "package a\n\nvar x = \"words behind -- are made anew\"\n", 2},
		"a raw string":    {"a.go", "package a\n\nvar x = `is Made\nanew`\n", 1},
		"an identifier":   {"a.go", "package a\n\nvar anew, made int\n", 0},
		"part of a word":  {"a.md", "remade anew, made anewly, made anew-ish\n", 0},
		"a document":      {"docs/a.md", "It is\nmade anew.\n", 1},
		"another file":    {"a.txt", "made anew\n", 0},
		"a file of tests": {"testdata/a.md", "made anew\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			path := filepath.Join(root, c.file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			if got, err := lint(root, phrases); got != c.want || err != nil {
				t.Errorf("found %d, want %d: %v", got, c.want, err)
			}
		})
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	if all, err := parseWords(words); err != nil || len(all) < 20 {
		t.Errorf("%d phrases: %v", len(all), err)
	}
	if _, err := parseWords("a phrase without advice"); err == nil {
		t.Error("no error for a line without advice")
	}
}
