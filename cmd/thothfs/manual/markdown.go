package manual

import (
	"regexp"
	"strings"
)

// ParseMarkdown parses a document in the subset of Markdown that docs/manual.md and
// docs/specifications.md are written in: headings, paragraphs, tables, items that begin with "- ",
// verbatim lines indented by four blanks, `code` and **bold** text, and links. The title is left
// out. A table becomes a list of its rows, whose first column is the term; the row of headings is
// left out.
func ParseMarkdown(text string) []Section {
	var sections []Section
	add := func(b Block) {
		if len(sections) == 0 {
			sections = []Section{{Title: "Description", Level: 1}}
		}
		last := &sections[len(sections)-1]
		last.Blocks = append(last.Blocks, b)
	}
	lines := strings.Split(text, "\n")
	for len(lines) > 0 {
		line := lines[0]
		switch {
		case line == "", strings.HasPrefix(line, "# "):
			lines = lines[1:]
		case strings.HasPrefix(line, "## "):
			sections = append(sections, Section{Title: line[3:], Level: 1})
			lines = lines[1:]
		case strings.HasPrefix(line, "### "):
			sections = append(sections, Section{Title: line[4:], Level: 2})
			lines = lines[1:]
		case strings.HasPrefix(line, literalIndent):
			var b Block
			b, lines = markdownLiteral(lines)
			add(b)
		case strings.HasPrefix(line, "|"):
			var b Block
			b, lines = markdownTable(lines)
			add(b)
		case strings.HasPrefix(line, bullet):
			var b Block
			b, lines = markdownList(lines)
			add(b)
		default:
			n := 1
			for n < len(lines) && lines[n] != "" && !strings.HasPrefix(lines[n], bullet) {
				n++
			}
			add(Block{Paragraph: MarkdownText(strings.Join(lines[:n], "\n"))})
			lines = lines[n:]
		}
	}
	return sections
}

const (
	literalIndent = "    "
	bullet        = "- "
)

// markdownLiteral parses verbatim lines, and empty ones between them.
func markdownLiteral(lines []string) (b Block, rest []string) {
	n := 0
	for i, line := range lines {
		if strings.HasPrefix(line, literalIndent) {
			n = i + 1
		} else if line != "" {
			break
		}
	}
	for _, line := range lines[:n] {
		b.Literal = append(b.Literal, strings.TrimPrefix(line, literalIndent))
	}
	return b, lines[n:]
}

func markdownTable(lines []string) (b Block, rest []string) {
	n := 0
	for ; n < len(lines) && strings.HasPrefix(lines[n], "|"); n++ {
		cells := tableCells(lines[n])
		if n < 2 || len(cells) < 2 { // the headings, and the line below them
			continue
		}
		body := []Block{{Paragraph: MarkdownText(strings.Join(cells[1:], ": "))}}
		b.List = append(b.List, Item{Term: MarkdownText(cells[0]), Body: body})
	}
	return b, lines[n:]
}

// tableCells returns the cells of a row such as `| a | b |`. A | after a backslash or between
// backquotes is part of a cell.
func tableCells(row string) []string {
	var cells []string
	start, inCode, escaped := 1, false, false
	for i, r := range row[1:] {
		switch {
		case escaped:
			escaped = false
		case r == '`':
			inCode = !inCode
		case r == '\\':
			escaped = true
		case r == '|' && !inCode:
			cells = append(cells, strings.TrimSpace(row[start:i+1]))
			start = i + 2
		}
	}
	return cells
}

func markdownList(lines []string) (b Block, rest []string) {
	n := 0
	var items []string
	for ; n < len(lines) && lines[n] != ""; n++ {
		if text, ok := strings.CutPrefix(lines[n], bullet); ok {
			items = append(items, text)
		} else {
			items[len(items)-1] += "\n" + strings.TrimSpace(lines[n])
		}
	}
	for _, text := range items {
		b.List = append(b.List, Item{Body: []Block{{Paragraph: MarkdownText(text)}}})
	}
	return b, lines[n:]
}

var markdownSpan = regexp.MustCompile("`([^`]+)`" + `|\*\*([^*]+)\*\*|\[([^\]]+)\]\([^)]*\)|\\(.)`)

// MarkdownText returns s with code and bold text in bold, and links without their targets.
func MarkdownText(s string) Text {
	return mark(s, markdownSpan, func(m []int) Text {
		switch {
		case m[2] >= 0:
			return Text{{Bold, s[m[2]:m[3]]}}
		case m[4] >= 0:
			return Text{{Bold, s[m[4]:m[5]]}}
		case m[6] >= 0:
			return Plain(s[m[6]:m[7]])
		}
		return Plain(s[m[8]:m[9]])
	}, func(s string) Text { return HelpText(s, nil) })
}
