// Command wordlint finds phrases that do not read like plain English. It checks the comments and
// string literals of all Go files, README.md, CONTRIBUTING.md and the documents in docs against the
// list in words.txt, prints each place with what to write instead, and exits with status 1 if there
// is one.
//
//	go run ./scripts/wordlint
package main

import (
	_ "embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

//go:embed words.txt
var words string

// phrase is a line of words.txt.
type phrase struct {
	pattern *regexp.Regexp
	advice  string
}

func main() {
	phrases, err := parseWords(words)
	if err == nil {
		var found int
		if found, err = lint(".", phrases); err == nil && found > 0 {
			fmt.Fprintf(os.Stderr, "wordlint: %d phrases of scripts/wordlint/words.txt\n", found)
			os.Exit(1)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "wordlint:", err)
		os.Exit(2)
	}
}

func parseWords(text string) ([]phrase, error) {
	var all []phrase
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		words, advice, ok := strings.Cut(line, " => ")
		if !ok {
			return nil, fmt.Errorf("words.txt: %q is not PHRASE => ADVICE", line)
		}
		pattern := strings.ReplaceAll(regexp.QuoteMeta(words), " ", `\s+`)
		all = append(all, phrase{regexp.MustCompile(`(?i)(?:^|[^\w-])(` + pattern + `)(?:$|[^\w-])`), advice})
	}
	return all, nil
}

// lint checks all files below root, prints what it finds and returns the number of places.
func lint(root string, phrases []phrase) (found int, err error) {
	report := func(path string, line int, text string) {
		for _, p := range phrases {
			for _, m := range p.pattern.FindAllStringSubmatchIndex(text, -1) {
				at := line + strings.Count(text[:m[2]], "\n")
				fmt.Printf("%s:%d: %q: %s\n", path, at, strings.Join(strings.Fields(text[m[2]:m[3]]), " "), p.advice)
				found++
			}
		}
	}
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && path != root && (strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata" || e.Name() == "wordlint"):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".go"):
			return goTexts(path, func(line int, text string) { report(path, line, text) })
		case strings.HasSuffix(path, ".md"):
			text, err := os.ReadFile(path)
			report(path, 1, string(text))
			return err
		}
		return nil
	})
	return found, err
}

// goTexts calls f with the comments and string literals of a Go file and the lines at which they begin.
func goTexts(path string, f func(line int, text string)) error {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, group := range file.Comments {
		var text strings.Builder
		for _, c := range group.List {
			text.WriteString(strings.TrimLeft(c.Text, "/*") + "\n")
		}
		f(files.Position(group.Pos()).Line, text.String())
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			f(files.Position(lit.Pos()).Line, lit.Value)
		}
		return true
	})
	return nil
}
