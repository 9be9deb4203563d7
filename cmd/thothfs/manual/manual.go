// Package manual writes manual pages in the man(7) language. Its input is the text of help
// messages (ParseHelp) and a subset of Markdown (ParseMarkdown); the output has every character of
// literal text as it was, so that commands can be copied from a page.
package manual

import (
	"strings"
	"time"
)

// Page is a manual page such as thothfs-ls(1).
type Page struct {
	Name     string // such as thothfs-ls
	Section  int
	Summary  string // half a sentence for the section NAME
	Source   string // the program and its version, for the bottom of the page
	Date     time.Time
	Sections []Section
}

// Section is a part of a page with a heading.
type Section struct {
	Title  string
	Level  int // 1 for .SH, 2 for .SS
	Blocks []Block
}

// Block is a paragraph, verbatim text or a list. Paragraph, Literal or List is set.
type Block struct {
	Paragraph Text
	Literal   []string // lines
	List      []Item
	Compact   bool // no empty lines between the items of List, and terms as wide as the longest
}

// Item is an item of a list. One without a Term has a bullet.
type Item struct {
	Term Text
	Body []Block
}

// Text is running text in several fonts.
type Text []Span

// Span is text in one font. Newlines in it are the same as blanks.
type Span struct {
	Font Font
	Text string
}

// Font is one of the fonts of a manual page.
type Font byte

// The fonts of a page: Bold is for what is typed as it is, Italic for what is replaced by a value.
const (
	Roman  Font = 'R'
	Bold   Font = 'B'
	Italic Font = 'I'
)

// Plain returns text in the roman font.
func Plain(s string) Text { return Text{{Roman, s}} }

// String returns the text without fonts.
func (t Text) String() string {
	var b strings.Builder
	for _, s := range t {
		b.WriteString(s.Text)
	}
	return b.String()
}
