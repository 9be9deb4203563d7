package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"

	"thothfs/cmd/thothfs/output"
)

const (
	rowHeight  = 18  // in pixels, as are all measures here
	barRoom    = 520 // length of the longest bar
	digitWidth = 8
	maxLabel   = 48  // characters of a label
	maxBars    = 500 // rows of a picture
)

// SVG returns the report as a picture of bars, which shows the rows with the most dumps if there are more than
// 500.
func (r *Report) SVG(title string) []byte {
	shown := *r
	shown.Rows = append([]Row(nil), r.Rows...)
	shown.Limit(maxBars)
	most, longest := 1, 0
	for _, row := range shown.Rows {
		most = max(most, row.Count)
		longest = max(longest, output.TextWidth(output.Shorten(r.label(row), maxLabel)))
	}
	left := 16 + longest*digitWidth
	width, height := left+barRoom+80, 48+rowHeight*len(shown.Rows)
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="13">
<title>%s</title>
<rect width="100%%" height="100%%" fill="#fff"/>
<text x="12" y="22" font-size="15" fill="#111">%[3]s</text>
`, width, height, xmlText(title))
	for i, row := range shown.Rows {
		y := 36 + rowHeight*i
		length := row.Count * barRoom / most
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" fill="#333">%s</text><rect x="%d" y="%d" width="%d" height="%d" fill="#3572b0"/><text x="%d" y="%[2]d" fill="#333">%[9]d</text>
`, left-6, y+13, xmlText(output.Shorten(r.label(row), maxLabel)), left, y+2, length, rowHeight-4, left+length+6, row.Count)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// xmlText escapes text for XML. Characters that XML does not allow are escaped as in Go.
func xmlText(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(output.Cell(text))) // a strings.Builder has no errors
	return b.String()
}
