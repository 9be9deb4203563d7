package analyze

import (
	"context"
	"strings"

	"golang.org/x/sync/errgroup"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/dump/document"
)

// The values of Listed.Source.
const (
	FromCorpus = "corpus"
	BuiltIn    = "built in"
)

// Listed is an analyzer in a list.
type Listed struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	What   string `json:"what,omitempty"` // what it does, from the comment at its beginning
	Hidden bool   `json:"hidden"`         // built in, and the corpus has one of that name
}

// readAtOnce is the number of analyzers that List reads at a time.
const readAtOnce = 8

// List returns the analyzers of the corpus and then the built-in ones, each in order of their names.
func List(ctx context.Context, c *corpus.Corpus) ([]Listed, error) {
	entries, err := c.Analyzers(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Listed, len(entries))
	own := map[string]bool{}
	var reading errgroup.Group
	reading.SetLimit(readAtOnce)
	for i, e := range entries {
		own[e.Name] = true
		reading.Go(func() error {
			text, err := c.Analyzer(ctx, e.Name)
			all[i] = Listed{Name: e.Name, Source: FromCorpus, What: what(e.Name, text)}
			if isAbsent(err) { // removed since, or not a name that can be read
				err = nil
			}
			return err
		})
	}
	if err := reading.Wait(); err != nil {
		return nil, err
	}
	for _, name := range Builtins() {
		all = append(all, Listed{Name: name, Source: BuiltIn, What: what(name, builtin(name)), Hidden: own[name]})
	}
	return all, nil
}

// Script returns the text of an analyzer that a word names, as for Find.
func Script(ctx context.Context, c *corpus.Corpus, word string) ([]byte, error) {
	return findScript(ctx, c, word, func(string, ...any) {})
}

// what returns the first sentence of the comment at the beginning of a script, without the name of the
// analyzer, or "".
func what(name string, text []byte) string {
	const most = 200
	var words []string
	for line := range strings.Lines(string(text[:min(len(text), document.MaxSize)])) {
		line = strings.TrimSpace(line)
		comment, ok := strings.CutPrefix(line, "#")
		if !ok || len(words) > 0 && strings.TrimSpace(comment) == "" {
			break
		}
		if strings.HasPrefix(line, "#!") {
			continue
		}
		words = append(words, strings.Fields(comment)...)
	}
	sentence, _, _ := strings.Cut(strings.Join(words, " ")+" ", ". ")
	sentence = strings.TrimPrefix(strings.TrimSpace(sentence), name+": ")
	return output.Shorten(output.Cell(strings.TrimRight(sentence, ":. ")), most)
}
