package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"thothfs/dump/document"
)

// tally counts the values of a property, for `report`.
type tally map[string]int

// add counts the text form of what is at path in a document. A document that has
// nothing there, or null, is not counted.
func (t tally) add(doc *document.Document, path string) {
	if v, ok := doc.Get(path); ok && v.Kind() != document.KindNull {
		t.addText(v.Text(), 1)
	}
}

func (t tally) addText(text string, n int) { t[strings.ToValidUTF8(text, "\ufffd")] += n }

// write prints a JSON object of the counts, the fewest first; equal ones in byte
// order of the values.
func (t tally) write(w io.Writer) error {
	values := slices.SortedFunc(maps.Keys(t), func(a, b string) int {
		return cmp.Or(cmp.Compare(t[a], t[b]), strings.Compare(a, b))
	})
	out := bufio.NewWriter(w)
	out.WriteString("{")
	for i, v := range values {
		if i > 0 {
			out.WriteString(",")
		}
		fmt.Fprintf(out, "\n%s%s: %d", indent, quoteJSON(v), t[v])
	}
	if len(values) > 0 {
		out.WriteString("\n")
	}
	out.WriteString("}\n")
	return out.Flush()
}
