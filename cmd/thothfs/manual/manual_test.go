package manual

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// body returns the roff of a page with the given sections, without its head.
func body(sections []Section) string {
	p := Page{Name: "thothfs-x", Section: 1, Summary: "do it", Source: "thothfs 1.0", Date: time.Unix(0, 0), Sections: sections}
	_, text, _ := strings.Cut(string(p.Roff()), "do it\n")
	return strings.TrimPrefix(text, ".SH \"X\"\n.nh\n")
}

func help(text string, values ...string) string {
	return body([]Section{{Title: "x", Level: 1, Blocks: ParseHelp(text, values)}})
}

func TestHelpBecomesRoff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"paragraphs", "One\nline.\n\nTwo.", "One line.\n.PP\nTwo.\n"},
		{"a line that looks like a request", ".Dd is no request\n\n'br is none either", "\\&.Dd is no request\n.PP\n\\(aqbr is none either\n"},
		{"characters that roff changes", `a\b 'c' "d" ` + "`e` ~f g^h é…", `a\eb \(aqc\(aq \(dqd\(dq \(gae\(ga \(tif g\(hah \[u00E9]\[u2026]` + "\n"},
		{"flags, values and pages", "Give (--since TIME), -n N or --. See thothfs-spec(7).",
			"Give (\\fB\\-\\-since\\fR \\fITIME\\fR), \\fB\\-n\\fR N or \\-\\-. See\n\\fBthothfs\\-spec\\fR(7).\n"},
		{"verbatim lines", "As in\n\n  a  'b'\n  .c\n    d", "As in\n.PP\n.RS 4\n.EX\na  \\(aqb\\(aq\n\\&.c\n  d\n.EE\n.RE\n"},
		{"one line in columns is verbatim", "  /srv  /thoth  0 0", ".RS 4\n.EX\n/srv  /thoth  0 0\n.EE\n.RE\n"},
		{"columns of other widths are verbatim", "  a  b\n  ccc  d", ".RS 4\n.EX\na  b\nccc  d\n.EE\n.RE\n"},
		{"a list", "Words:\n  a b    first,\n         and more\n  *c*    second\nEnd.",
			"Words:\n.TP\n\\fBa\\fR \\fBb\\fR\nfirst, and more\n.TP\n\\fB*c*\\fR\nsecond\n.PP\nEnd.\n"},
		{"a heading of cobra", "#### Linux:\n\n\tcmd", "Linux:\n.PP\n.RS 4\n.EX\ncmd\n.EE\n.RE\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, help(c.text, "TIME")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMarkdownBecomesRoff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"title and headings", "# T\n\nOne.\n\n## Next\n\n### Sub\nTwo.",
			".SH \"DESCRIPTION\"\n.nh\nOne.\n.SH \"NEXT\"\n.nh\n.SS \"Sub\"\n.nh\nTwo.\n"},
		{"spans", "## X\n`a=*b*` is **not** [c](d.md) \\<e> --f", "\\fBa=*b*\\fR is \\fBnot\\fR c <e> \\fB\\-\\-f\\fR\n"},
		{"a table", "## X\n| a | b |\n|---|---|\n| `c|d` | e |\n| f\\|g | |",
			".TP\n\\fBc|d\\fR\ne\n.TP\nf|g\n"},
		{"items", "## X\nWords:\n- `a`:\n  first\n- second\n\nEnd.",
			"Words:\n.IP \\(bu 2\n\\fBa\\fR: first\n.IP \\(bu 2\nsecond\n.PP\nEnd.\n"},
		{"verbatim lines", "## X\n    a\n\n      .b\n\nEnd.", ".RS 4\n.EX\na\n\n  .b\n.EE\n.RE\n.PP\nEnd.\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, body(ParseMarkdown(c.text))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHeadAndCompactList(t *testing.T) {
	t.Parallel()
	list := Block{Compact: true, List: []Item{
		{Term: Plain("ls"), Body: []Block{{Paragraph: Plain("list")}}}, {Term: Plain("mount"), Body: []Block{{Paragraph: Plain("mount")}}}}}
	p := Page{Name: "thothfs-x", Section: 7, Summary: "do 'it'", Source: "thothfs 1.0", Date: time.Unix(1373566303, 0),
		Sections: []Section{{Title: "Verbs", Level: 1, Blocks: []Block{list}}}}
	want := `.TH THOTHFS-X 7 2013-07-11 "thothfs 1.0" "Miscellaneous Information Manual"
.ss 12 0
.SH NAME
thothfs\-x \- do \(aqit\(aq
.SH "VERBS"
.nh
.PD 0
.TP 7
ls
list
.TP 7
mount
mount
.PD
`
	if diff := cmp.Diff(want, string(p.Roff())); diff != "" {
		t.Error(diff)
	}
}
