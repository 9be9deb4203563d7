package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"thothfs/dump/document"
	"unicode"
	"unicode/utf8"
)

const indent = "    "

// writeDocument prints a dump's document as `info` does for a single dump: its
// members in their order, numbers as they are written, four blanks for each level. Of
// a damaged document it prints what can be read; the caller says so beside it.
func writeDocument(w io.Writer, l listed) error {
	p := &printer{bufio.NewWriter(w)}
	p.value(l.doc.Value(), "", "")
	p.WriteByte('\n')
	return p.Flush()
}

// writeDocuments prints an array of documents, as `info` does for a specification and
// `ls --json` for its rows, one after the other as they come. Each has its hash as
// "id" in front, unless the document has a member of that name. An error of the
// sequence is returned; what was printed until then is closed to be valid JSON.
func writeDocuments(w io.Writer, dumps iter.Seq2[listed, error]) error {
	p := &printer{bufio.NewWriter(w)}
	var failed error
	separator := "[\n"
	for l, err := range dumps {
		if err != nil {
			failed = err
			break
		}
		p.WriteString(separator + indent)
		p.value(l.doc.Value(), indent, withID(l))
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

// withID is the member to put in front of a document, or "".
func withID(l listed) string {
	if _, ok := l.doc.Get("id"); ok {
		return ""
	}
	return `"id": "` + l.id + `"`
}

// printer writes JSON. It keeps the first error until Flush.
type printer struct{ *bufio.Writer }

// value prints v, whose line begins with prefix; first, if not empty, is a member to
// print before those of an object.
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
		p.Write(tame(v.JSON()))
	default:
		p.Write(v.JSON())
	}
}

// open prints the brackets of a container around what fill prints; fill calls next
// before each piece.
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

// quoteJSON returns s as a JSON string that is fit for a terminal.
func quoteJSON(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(s) // a string is always encodable
	return string(tame(bytes.TrimSuffix(b.Bytes(), []byte("\n"))))
}

// tame escapes what a terminal might obey in a JSON string, and what is not UTF-8
// becomes U+FFFD. Its meaning stays.
func tame(raw []byte) []byte {
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
