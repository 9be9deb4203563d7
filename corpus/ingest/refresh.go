package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
)

// ErrOtherDump means that a directory of the corpus contains another dump than its name says.
var ErrOtherDump = errors.New("the dump has another hash than its directory")

// Refreshed is what Refresh changed in a document, as paths.
type Refreshed struct{ Added, Corrected []string }

// Refresh adds to the document of a dump what the dump itself says and the document lacks, and
// corrects the facts that the dump alone decides. It changes neither the ticket nor the properties.
// r reads the dump, size bytes in all, of which it reads the headers and a page of each module. With
// dryRun, Refresh only returns what it would change.
//
// Errors are ErrOtherDump, or come from dump.Inspect, Corpus.Dump or Corpus.Amend.
func Refresh(ctx context.Context, c *corpus.Corpus, id dump.ID, r io.ReaderAt, size int64, dryRun bool) (Refreshed, error) {
	d, err := c.Dump(ctx, id)
	if err != nil {
		return Refreshed{}, err
	}
	info, err := dump.Inspect(r, size)
	if err != nil {
		return Refreshed{}, err
	}
	if info.ID != id && !slices.Contains(info.AlsoIDs, id) {
		return Refreshed{}, fmt.Errorf("%w: %s", ErrOtherDump, info.ID)
	}
	edits := append(thothEdits(d.Doc, info), factEdits(d.Doc, facts(info, nil))...)
	edits = append(edits, truncatedEdits(d.Doc, info.Truncated())...)
	var done Refreshed
	for _, e := range edits {
		if _, is := d.Doc.Get(e.Path); is {
			done.Corrected = append(done.Corrected, e.Path)
		} else {
			done.Added = append(done.Added, e.Path)
		}
	}
	switch {
	case len(edits) == 0:
	case dryRun:
		_, _, err = d.Doc.Apply(edits...)
	default:
		_, err = c.Amend(ctx, id, edits...)
	}
	if err != nil {
		return Refreshed{}, err
	}
	return done, nil
}

// thothEdits returns the edits that add the members of the original that a document lacks, and
// complete psargs, which the original cuts at the first colon.
func thothEdits(doc *document.Document, info *dump.Info) (edits []document.Edit) {
	members := []document.Member{document.Text("type", string(info.Type)), document.Text("node", info.Node), document.Text("platform", info.Platform)}
	if info.Type == dump.Core && info.HasPID {
		members = append(members, document.Text("pid", strconv.Itoa(info.PID)), document.Text("psargs", info.Psargs))
	}
	if !info.Time.IsZero() {
		members = append(members, document.Member{Name: "time", Value: document.Seconds(info.Time)})
	}
	for _, m := range known(members...) {
		cut := m.Name == "psargs" && strings.HasPrefix(info.Psargs, doc.String("psargs")+":")
		if v, _ := doc.Get(m.Name); v.Kind() == document.KindNone || v.Kind() == document.KindNull || cut {
			edits = append(edits, document.Edit{Path: m.Name, Value: m.Value})
		}
	}
	return edits
}
