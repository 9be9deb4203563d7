package output

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"thothfs/dump/document"
)

const indent = "    "

// WriteDocument prints the document of one dump, as `info` does: the members in their
// order, numbers unchanged, indented by four blanks. It prints the readable part of a
// damaged document; reporting the damage is up to the caller.
func WriteDocument(w io.Writer, l Dump) error {
	p := &printer{bufio.NewWriter(w)}
	p.value(l.Doc.Value(), "", "")
	p.WriteByte('\n')
	return p.Flush()
}

// WriteDocuments prints an array of documents, as `info` does for a specification and
// `ls --json` for its rows. Each document begins with the hash as "id", unless it has a
// member of that name. It returns the first error of the sequence; the array is valid
// JSON even then.
func WriteDocuments(w io.Writer, dumps iter.Seq2[Dump, error]) error {
	p := &printer{bufio.NewWriter(w)}
	var failed error
	separator := "[\n"
	for l, err := range dumps {
		if err != nil {
			failed = err
			break
		}
		p.WriteString(separator + indent)
		p.value(l.Doc.Value(), indent, withID(l))
		separator = ",\n"
	}
	if separator == "[\n" {
		p.WriteString("[]\n")
	} else {
		p.WriteString("\n]\n")
	}
	if err := p.Flush(); failed == nil {
		failed = err
	}
	return failed
}

// withID returns the "id" member to put first in a document, or "" if it has its own.
func withID(l Dump) string {
	if _, ok := l.Doc.Get("id"); ok {
		return ""
	}
	return `"id": "` + l.ID + `"`
}

// printer writes JSON. Flush returns its first error.
type printer struct{ *bufio.Writer }

// value prints v on a line that begins with prefix. A non-empty first is printed before
// the members of an object.
func (p *printer) value(v document.Value, prefix, first string) {
	switch v.Kind() {
	case document.KindObject:
		p.open(prefix, '{', '}', func(next func()) {
			if first != "" {
				next()
				p.WriteString(first)
			}
			for key, member := range v.Members() {
				next()
				p.WriteString(quoteJSON(key) + ": ")
				p.value(member, prefix+indent, "")
			}
		})
	case document.KindArray:
		p.open(prefix, '[', ']', func(next func()) {
			for element := range v.Elements() {
				next()
				p.value(element, prefix+indent, "")
			}
		})
	case document.KindString:
		p.Write(escapeControls(v.JSON()))
	default:
		p.Write(v.JSON())
	}
}

// open prints the brackets of a container around the output of fill, which calls next
// before each element.
func (p *printer) open(prefix string, left, right byte, fill func(next func())) {
	p.WriteByte(left)
	separator := "\n"
	fill(func() {
		p.WriteString(separator + prefix + indent)
		separator = ",\n"
	})
	if separator == ",\n" {
		p.WriteString("\n" + prefix)
	}
	p.WriteByte(right)
}

// quoteJSON returns s as a JSON string that is safe on a terminal.
func quoteJSON(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(s) // a string is always encodable
	return string(escapeControls(bytes.TrimSuffix(b.Bytes(), []byte("\n"))))
}

// escapeControls escapes characters of a JSON string that might control a terminal, and
// replaces invalid UTF-8 with U+FFFD.
func escapeControls(raw []byte) []byte {
	plain := func(r rune) bool { return r != utf8.RuneError && (r < 0x7f || r > 0x9f) && !unicode.Is(unicode.Cf, r) }
	if bytes.IndexFunc(raw, func(r rune) bool { return !plain(r) }) < 0 {
		return raw
	}
	var b strings.Builder
	for _, r := range string(raw) {
		switch {
		case plain(r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return []byte(b.String())
}

// Counts has the number of dumps for each value of a property.
type Counts map[string]int

// AddDump counts the value at path, unless d has none or it is null.
func (c Counts) AddDump(d Dump, path string) {
	if v, ok := d.Doc.Get(path); ok && v.Kind() != document.KindNull {
		c.Add(v.Text(), 1)
	}
}

// Add adds n dumps that have the value text.
func (c Counts) Add(text string, n int) { c[strings.ToValidUTF8(text, "\ufffd")] += n }

// Write prints the counts as a JSON object, the smallest first; equal counts are in byte
// order of their values.
func (c Counts) Write(w io.Writer) error {
	values := slices.SortedFunc(maps.Keys(c), func(a, b string) int {
		return cmp.Or(cmp.Compare(c[a], c[b]), strings.Compare(a, b))
	})
	out := bufio.NewWriter(w)
	out.WriteString("{")
	separator := "\n"
	for _, v := range values {
		fmt.Fprintf(out, "%s%s%s: %d", separator, indent, quoteJSON(v), c[v])
		separator = ",\n"
	}
	if len(values) > 0 {
		out.WriteString("\n")
	}
	out.WriteString("}\n")
	return out.Flush()
}
