package manual

import (
	"regexp"
	"slices"
	"strings"
)

// ParseHelp parses the text of a help message. Paragraphs are separated by empty lines; indented
// lines are verbatim text or, if they are at least two with a description each, in one column and
// at least two blanks behind the term, a list:
//
//	--since   a time
//	--by      a user
//
// Flags become bold, and so do names of manual pages. The words in values become italic.
func ParseHelp(text string, values []string) []Block {
	var blocks []Block
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for len(lines) > 0 {
		n := 1
		for lines[0] != "" && n < len(lines) && lines[n] != "" && isIndented(lines[n]) == isIndented(lines[0]) {
			n++
		}
		group := lines[:n]
		lines = lines[n:]
		switch items := helpList(group, values); {
		case group[0] == "":
		case items != nil:
			blocks = append(blocks, Block{List: items})
		case isIndented(group[0]):
			blocks = append(blocks, Block{Literal: unindent(group)})
		default:
			paragraph := strings.TrimLeft(strings.Join(group, "\n"), "# ") // cobra has headings such as "#### Linux:"
			blocks = append(blocks, Block{Paragraph: HelpText(paragraph, values)})
		}
	}
	return blocks
}

func isIndented(line string) bool {
	return strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
}

// unindent removes the indentation that all lines have in common.
func unindent(lines []string) []string {
	indent := len(lines[0])
	for _, line := range lines {
		indent = min(indent, len(line)-len(strings.TrimLeft(line, " \t")))
	}
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = line[indent:]
	}
	return out
}

var itemLine = regexp.MustCompile(`^( +)(\S.*?) {2,}(\S.*)$`)

// helpList returns the items of a list, or nil if the lines are not one.
func helpList(lines []string, values []string) []Item {
	var terms, bodies []string
	indent, column := 0, 0
	for _, line := range lines {
		m := itemLine.FindStringSubmatchIndex(line)
		blanks := len(line) - len(strings.TrimLeft(line, " "))
		switch {
		case column > 0 && blanks == column:
			bodies[len(bodies)-1] += "\n" + line[blanks:]
		case m == nil, column > 0 && (blanks != indent || m[6] != column):
			return nil
		default:
			indent, column = blanks, m[6]
			terms = append(terms, line[m[4]:m[5]])
			bodies = append(bodies, line[m[6]:])
		}
	}
	if len(terms) < 2 {
		return nil
	}
	var items []Item
	for i, term := range terms {
		body := []Block{{Paragraph: HelpText(bodies[i], values)}}
		items = append(items, Item{Term: Text{{Bold, term}}, Body: body})
	}
	return items
}

var (
	helpWord = regexp.MustCompile(`[^\s()\[\]",;]+`)
	pageName = regexp.MustCompile(`\b([a-z][a-z0-9_.-]*)(\([1-8]\))`)
	flagName = regexp.MustCompile(`^--?[a-zA-Z]`)
)

// HelpText returns s with flags and the names of manual pages in bold, and the words in values in
// italic.
func HelpText(s string, values []string) Text {
	return mark(s, pageName, func(m []int) Text {
		return Text{{Bold, s[m[2]:m[3]]}, {Roman, s[m[4]:m[5]]}}
	}, func(s string) Text {
		return mark(s, helpWord, func(m []int) Text {
			word := strings.TrimRight(s[m[0]:m[1]], ".:")
			rest := Span{Roman, s[m[0]+len(word) : m[1]]}
			switch {
			case flagName.MatchString(word):
				return Text{{Bold, word}, rest}
			case slices.Contains(values, word):
				return Text{{Italic, word}, rest}
			}
			return Text{{Roman, word}, rest}
		}, Plain)
	})
}

// mark splits s at the matches of a pattern. It returns what inside makes of the indices of each
// match, and what outside makes of the text between them.
func mark(s string, pattern *regexp.Regexp, inside func([]int) Text, outside func(string) Text) Text {
	var out Text
	done := 0
	for _, m := range pattern.FindAllStringSubmatchIndex(s, -1) {
		out = append(append(out, outside(s[done:m[0]])...), inside(m)...)
		done = m[1]
	}
	return append(out, outside(s[done:])...)
}
