package output

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"

	"thothfs/corpus"
	"thothfs/dump/document"
)

const indent = "    "

// WriteDocument prints the document of one dump, as `info` does: members in their original order,
// numbers unchanged, indented by four spaces. It prints the readable part of a damaged document;
// the caller must report the damage.
func WriteDocument(w io.Writer, d *corpus.Dump) error {
	text, err := indentJSON(d.Doc.Value().JSON(), "")
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

// WriteDocuments prints an array of documents, as `info` does for a specification and `ls --json`
// for its rows. Each document begins with the hash as "id", unless it has a member of that name.
// WriteDocuments returns the first error of the sequence; the array is valid JSON even then.
func WriteDocuments(w io.Writer, dumps iter.Seq2[*corpus.Dump, error]) error {
	out := bufio.NewWriter(w)
	var failed error
	separator := "[\n"
	for d, err := range dumps {
		var text []byte
		if err == nil {
			text, err = indentJSON(WithID(d), indent)
		}
		if err != nil {
			failed = err
			break
		}
		out.WriteString(separator + indent)
		out.Write(text)
		separator = ",\n"
	}
	if separator == "[\n" {
		out.WriteString("[]\n")
	} else {
		out.WriteString("\n]\n")
	}
	return cmp.Or(failed, out.Flush())
}

// WriteLines prints documents as WriteDocuments does, but one a line.
func WriteLines(w io.Writer, dumps iter.Seq2[*corpus.Dump, error]) error {
	out := bufio.NewWriter(w)
	var failed error
	for d, err := range dumps {
		if failed = err; err != nil {
			break
		}
		var line bytes.Buffer
		if failed = json.Compact(&line, WithID(d)); failed != nil {
			break
		}
		line.WriteByte('\n')
		if _, err := out.Write(escapeControls(line.Bytes(), jsonEscape)); err != nil {
			return err
		}
	}
	return cmp.Or(failed, out.Flush())
}

// WithID returns a document as JSON that begins with its ID.
func WithID(d *corpus.Dump) []byte {
	raw := bytes.TrimSpace(d.Doc.Value().JSON())
	if _, ok := d.Doc.Get("id"); ok || d.Doc.Value().Kind() != document.KindObject {
		return raw
	}
	id := `{"id":"` + d.ID.String() + `"`
	if members := bytes.TrimSpace(raw[1:]); members[0] != '}' {
		id += ","
	}
	return append([]byte(id), raw[1:]...)
}

// indentJSON indents JSON for a terminal. prefix is put before every line but the first.
func indentJSON(raw []byte, prefix string) ([]byte, error) {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, prefix, indent); err != nil {
		return nil, err
	}
	return escapeControls(b.Bytes(), jsonEscape), nil
}

// QuoteJSON returns s as a JSON string that is safe on a terminal.
func QuoteJSON(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(s) // encoding a string never fails
	return string(escapeControls(bytes.TrimSuffix(b.Bytes(), []byte("\n")), jsonEscape))
}

// escapeControls escapes characters in the strings of JSON or YAML that might control a terminal, and
// replaces invalid UTF-8 with U+FFFD. escape returns the escape of a character.
func escapeControls(raw []byte, escape func(r rune) string) []byte {
	if bytes.IndexFunc(raw, func(r rune) bool { return !plainRune(r) }) < 0 {
		return raw
	}
	var b strings.Builder
	for _, r := range string(raw) {
		if plainRune(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(escape(r))
		}
	}
	return []byte(b.String())
}

// plainRune reports whether a character of a document can be printed as it is.
func plainRune(r rune) bool {
	return r != utf8.RuneError && (r < 0x7f || r > 0x9f) && !unicode.Is(unicode.Cf, r)
}

// jsonEscape returns a character as an escape of JSON.
func jsonEscape(r rune) string {
	if r > 0xffff {
		r -= 0x10000
		return fmt.Sprintf(`\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// EscapeYAML escapes characters of YAML that might control a terminal, all of which must be in double
// quotes.
func EscapeYAML(raw []byte) []byte {
	return escapeControls(raw, func(r rune) string { return fmt.Sprintf(`\U%08x`, r) })
}

// IsPlain reports whether EscapeYAML leaves a text as it is.
func IsPlain(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return !plainRune(r) }) < 0
}

// WriteJSON prints JSON indented, and safe on a terminal.
func WriteJSON(w io.Writer, raw []byte) error {
	text, err := indentJSON(raw, "")
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}
