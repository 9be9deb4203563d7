// Package complete finds what a word on the command line may be completed to, in the catalogue alone. Its
// functions take a nil Reader if there is no catalogue.
package complete

import (
	"cmp"
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"thothfs/corpus/catalog"
	"thothfs/query"
)

// Most is the maximum number of candidates of one kind.
const Most = 200

// few is the number of dumps that are offered for an empty word.
const few = 50

// sampled is the number of the newest dumps whose documents are searched for the values of a property.
const sampled = 300

// Candidate is a word, with a description that may be empty.
type Candidate struct{ Word, About string }

// Words returns candidates without descriptions.
func Words(words ...string) []Candidate {
	all := make([]Candidate, len(words))
	for i, word := range words {
		all[i].Word = word
	}
	return printable(all)
}

// Matching returns those of words that begin with word.
func Matching(word string, words ...string) []Candidate {
	return Words(slices.DeleteFunc(slices.Clone(words), func(s string) bool { return !strings.HasPrefix(s, word) })...)
}

// Dumps returns the dumps whose hashes begin with word, the newest first. Hashes are as short as listings
// print them, unless word is longer.
func Dumps(ctx context.Context, r *catalog.Reader, word string) ([]Candidate, error) {
	if r == nil {
		return nil, nil
	}
	most := Most
	if word == "" {
		most = few
	}
	dumps, err := r.Newest(ctx, strings.ToLower(word), []*catalog.Field{catalog.Cmd, catalog.Node}, most)
	var found []Candidate
	for _, d := range dumps {
		hash := d.ID.Short()
		if len(word) > len(hash) {
			hash = d.ID.String()
		}
		about := cmp.Or(d.Text(catalog.Cmd), d.Text(catalog.Node))
		if !d.Time.IsZero() {
			about += d.Time.In(time.Local).Format(" 2006-01-02 15:04")
		}
		found = append(found, Candidate{word + hash[min(len(word), len(hash)):], strings.TrimSpace(about)})
	}
	return printable(found), err
}

// Properties returns the names of fields and properties that begin with word.
func Properties(ctx context.Context, r *catalog.Reader, word string) ([]Candidate, error) {
	var names catalog.Names
	var err error
	if r != nil {
		names, err = r.Names(ctx)
	}
	all := names.Complete()
	prefix := ""
	if strings.HasPrefix(word, propertiesPrefix) {
		prefix = propertiesPrefix
	}
	var found []Candidate
	for _, name := range all {
		if name = prefix + name; strings.HasPrefix(name, word) && len(found) < Most {
			found = append(found, Candidate{Word: name})
		}
	}
	return printable(found), err
}

// propertiesPrefix begins the original's names of properties.
const propertiesPrefix = "properties."

// special are the words of specifications that are not names of properties.
var special = []Candidate{{"mtime=", "at most that old"}, {"otime=", "older than"}, {"limit=", "the newest N"}, {"dump=stdin", "hashes on standard input"}}

// constraint matches a field, an operator and the beginning of a value.
var constraint = regexp.MustCompile(`^([^!<>=,\s]+)(!=|>=|<=|=|>|<)(.*)$`)

// Constraints returns the constraints of a specification that begin with word: names with an equals sign, or
// after an operator values.
func Constraints(ctx context.Context, r *catalog.Reader, word string) ([]Candidate, error) {
	if m := constraint.FindStringSubmatchIndex(word); m != nil {
		field := word[m[2]:m[3]]
		begin := m[6]
		if i := strings.LastIndex(word, ","+field+"="); i >= begin { // the last alternative
			begin = i + len(field) + 2
		}
		return values(ctx, r, field, word[:begin], word[begin:])
	}
	names, err := Properties(ctx, r, word)
	var found []Candidate
	for _, c := range names {
		found = append(found, Candidate{c.Word + "=", c.About})
	}
	for _, c := range special {
		if strings.HasPrefix(c.Word, word) {
			found = append(found, c)
		}
	}
	return found, err
}

// ages are the usual values of a time.
var ages = []string{"1h", "6h", "1d", "1w", "1month", "1y"}

// values returns head followed by the values of a field that begin with text.
func values(ctx context.Context, r *catalog.Reader, field, head, text string) ([]Candidate, error) {
	var texts []string
	var err error
	switch f := catalog.FieldAt(field); {
	case field == "mtime" || field == "otime" || field == "time":
		texts = ages
	case field == "limit":
		return nil, nil
	case r == nil:
	case f != nil:
		texts, err = r.ValuesFrom(ctx, f, text, Most)
	default:
		texts, err = sample(ctx, r, field)
	}
	var found []Candidate
	for _, value := range texts {
		if _, escaped, ok := strings.Cut(query.Equal("x", value).String(), "="); ok && strings.HasPrefix(value, text) {
			found = append(found, Candidate{Word: head + escaped})
		}
	}
	for _, word := range []string{"undefined", "defined"} {
		if strings.HasPrefix(word, text) && strings.HasSuffix(head, "=") && len(found) < Most {
			found = append(found, Candidate{Word: head + word})
		}
	}
	return printable(found), err
}

// sample returns the values that a property has in the newest dumps.
func sample(ctx context.Context, r *catalog.Reader, field string) ([]string, error) {
	texts := map[string]bool{}
	for d, err := range r.List(ctx, query.Spec{}, catalog.ListOptions{Last: sampled, Reverse: true, Documents: true}) {
		if err != nil {
			return nil, err
		}
		if text, list, ok := d.Fields().Lookup(field); ok {
			for _, text := range append(list, text) {
				if len(text) <= maxLength && len(texts) < Most {
					texts[text] = true
				}
			}
		}
	}
	delete(texts, "")
	return slices.Sorted(maps.Keys(texts)), nil
}

// maxLength is the maximum length of a candidate, in bytes.
const maxLength = 200

// printable returns the candidates that a shell can show and insert. A description may be cut.
func printable(all []Candidate) []Candidate {
	plain := func(s string) bool { return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 }
	all = slices.DeleteFunc(all, func(c Candidate) bool { return len(c.Word) > maxLength || !plain(c.Word) })
	for i := range all {
		if !plain(all[i].About) || len(all[i].About) > maxLength {
			all[i].About = ""
		}
	}
	return all
}
