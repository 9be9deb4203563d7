// Command semanticslint checks the rule of docs/semantics.md: every promise is a list item that
// ends with its tests, such as [fs.TestTree] or [cmd/thothfs.TestKill, cache.TestReopen], and
// those tests exist.
//
//	go run ./scripts/semanticslint
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const document = "docs/semantics.md"

var (
	proof = regexp.MustCompile(`\[([^\]]+)\]$`)
	test  = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
)

func main() {
	text, err := os.ReadFile(document)
	if err != nil {
		fmt.Fprintln(os.Stderr, "semanticslint:", err)
		os.Exit(2)
	}
	known, err := tests()
	if err != nil {
		fmt.Fprintln(os.Stderr, "semanticslint:", err)
		os.Exit(2)
	}
	promises, bad := 0, 0
	for _, item := range items(string(text)) {
		promises++
		for _, complaint := range check(item, known) {
			fmt.Printf("%s: %s\n  %s\n", document, complaint, item)
			bad++
		}
	}
	if promises == 0 || bad > 0 {
		fmt.Fprintf(os.Stderr, "semanticslint: %d promises, %d without a test\n", promises, bad)
		os.Exit(1)
	}
}

// items returns each list item, which may span several lines, as one string.
func items(text string) []string {
	var out []string
	open := false
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(trimmed, "- "):
			out = append(out, strings.TrimPrefix(trimmed, "- "))
			open = true
		case trimmed == "" || strings.HasPrefix(trimmed, "#"):
			open = false
		case open:
			out[len(out)-1] += " " + trimmed
		}
	}
	return out
}

func check(item string, known map[string]bool) []string {
	m := proof.FindStringSubmatch(item)
	if m == nil {
		return []string{"a promise without a test"}
	}
	var out []string
	for name := range strings.SplitSeq(m[1], ",") {
		if name = strings.TrimSpace(name); !known[name] {
			out = append(out, "no such test: "+name)
		}
	}
	return out
}

// tests returns the test functions of the project as "directory.TestName".
func tests() (map[string]bool, error) {
	known := make(map[string]bool)
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		for _, m := range test.FindAllStringSubmatch(string(src), -1) {
			known[filepath.ToSlash(filepath.Dir(path))+"."+m[1]] = true
		}
		return err
	})
	return known, err
}
