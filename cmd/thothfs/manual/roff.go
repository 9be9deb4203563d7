package manual

import (
	"fmt"
	"strings"
)

// lineWidth is the maximum length of a line of roff made from running text. A longer word is not broken.
const lineWidth = 79

// volumes are the titles of the sections of the manual.
var volumes = map[int]string{1: "User Commands", 7: "Miscellaneous Information Manual"}

// Roff returns the page in the man(7) language.
func (p *Page) Roff() []byte {
	w := &roff{}
	w.linef(`.TH %s %d %s %s %s`, strings.ToUpper(p.Name), p.Section, p.Date.UTC().Format("2006-01-02"), quote(p.Source), quote(volumes[p.Section]))
	w.linef(".ss 12 0") // one blank after a sentence, wherever the line of roff ends
	w.linef(".SH NAME")
	w.linef(`%s \- %s`, escape(p.Name), escape(p.Summary))
	for _, s := range p.Sections {
		switch s.Level {
		case 2:
			w.linef(".SS %s", quote(s.Title))
		default:
			w.linef(".SH %s", quote(strings.ToUpper(s.Title)))
		}
		w.linef(".nh") // a name broken by a hyphen could not be searched for; headings reset this
		w.blocks(s.Blocks)
	}
	return []byte(w.String())
}

type roff struct{ strings.Builder }

func (w *roff) linef(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// blocks writes the blocks of a section or of an item, which both begin without a .PP.
func (w *roff) blocks(blocks []Block) {
	for i, b := range blocks {
		if i > 0 && b.List == nil {
			w.linef(".PP")
		}
		switch {
		case b.Literal != nil:
			w.linef(".RS 4")
			w.linef(".EX")
			for _, line := range b.Literal {
				w.linef("%s", escapeLine(line))
			}
			w.linef(".EE")
			w.linef(".RE")
		case b.List != nil:
			w.list(b)
		default:
			w.text(b.Paragraph)
		}
	}
}

func (w *roff) list(list Block) {
	tag := ".TP"
	if list.Compact {
		width := 0
		for _, item := range list.List {
			width = max(width, len(item.Term.String()))
		}
		tag = fmt.Sprintf(".TP %d", width+2)
		w.linef(".PD 0")
		defer w.linef(".PD")
	}
	for _, item := range list.List {
		if len(item.Term) == 0 {
			w.linef(`.IP \(bu 2`)
		} else {
			w.linef("%s", tag)
			w.linef("%s", strings.Join(words(item.Term), " "))
		}
		for i, b := range item.Body {
			if i > 0 {
				w.linef(".IP")
			}
			w.blocks([]Block{b})
		}
	}
}

// text writes running text, broken into lines at blanks.
func (w *roff) text(t Text) {
	line := ""
	for _, word := range words(t) {
		switch {
		case line == "":
			line = startLine(word)
		case len(line)+1+len(word) > lineWidth:
			w.linef("%s", line)
			line = startLine(word)
		default:
			line += " " + word
		}
	}
	if line != "" {
		w.linef("%s", line)
	}
}

// words returns the words of a text, escaped, each with the escapes that select its fonts.
func words(t Text) []string {
	var out []string
	word := ""
	end := func() {
		if word != "" {
			out = append(out, word)
		}
		word = ""
	}
	for _, span := range t {
		for i, piece := range strings.Split(strings.Map(blankToSpace, span.Text), " ") {
			if i > 0 {
				end()
			}
			if piece != "" && span.Font != Roman {
				word += fmt.Sprintf(`\f%c%s\fR`, span.Font, escape(piece))
			} else {
				word += escape(piece)
			}
		}
	}
	end()
	return out
}

func blankToSpace(r rune) rune {
	if r == '\n' || r == '\t' {
		return ' '
	}
	return r
}

// escape returns s such that roff prints it as it is, except at the beginning of a line. Each of -,
// ', `, ^ and ~ would otherwise come out as a typographic character that a shell does not take.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case escapes[r] != "":
			b.WriteString(escapes[r])
		case r > 0x7e:
			fmt.Fprintf(&b, `\[u%04X]`, r)
		case r >= ' ' || r == '\t':
			b.WriteRune(r)
		}
	}
	return b.String()
}

var escapes = map[rune]string{'\\': `\e`, '-': `\-`, '\'': `\(aq`, '`': `\(ga`, '^': `\(ha`, '~': `\(ti`, '"': `\(dq`}

// escapeLine returns s as a line that is not read as a request.
func escapeLine(s string) string { return startLine(escape(s)) }

// startLine returns escaped text with what a line needs that begins with it. A request begins with a
// period.
func startLine(escaped string) string {
	if strings.HasPrefix(escaped, ".") {
		return `\&` + escaped
	}
	return escaped
}

// quote returns s as one argument of a macro.
func quote(s string) string { return `"` + escape(s) + `"` }
