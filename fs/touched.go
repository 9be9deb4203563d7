package fs

import (
	"time"

	"thothfs/corpus"
	"thothfs/query"
)

// What a change of one dump means for each kind of directory.

func (d *hashDir) touched(c corpus.Change, tell func(name string)) {
	if c.Old == nil || c.New == nil {
		tell(c.ID.String())
	}
}

func (v *viewDir) touched(c corpus.Change, tell func(name string)) {
	was, is := v.holds(c.Old), v.holds(c.New)
	if was != is || is && unixOf(c.Old) != unixOf(c.New) || v.spec.Limit() > 0 {
		tell(c.ID.String())
	}
}

// holds tells whether the view has the dump, as far as d says. Of a dump whose
// document is not known it had better be assumed.
func (v *viewDir) holds(d *corpus.Dump) bool {
	return d != nil && (d.Doc == nil || v.spec.Match(d.Fields(), time.Now()))
}

func (d *valueDir) touched(c corpus.Change, tell func(name string)) {
	was, is := fieldOf(c.Old, d.field), fieldOf(c.New, d.field)
	if was == is && c.Old != nil && c.New != nil {
		return
	}
	for _, text := range []string{was, is} {
		tell(query.EncodeName(text))
	}
}

func fieldOf(d *corpus.Dump, f corpus.Field) string {
	if d == nil {
		return ""
	}
	switch f {
	case corpus.Node:
		return d.Node
	case corpus.Cmd:
		return d.Cmd
	case corpus.Ticket:
		return d.Ticket
	case corpus.Platform:
		return d.Platform
	case corpus.Signature:
		return d.Signature
	}
	return d.Type
}

func (d *timeDir) touched(c corpus.Change, tell func(name string)) {
	for _, dump := range []*corpus.Dump{c.Old, c.New} {
		if dump == nil || dump.Time.IsZero() {
			continue
		}
		year, month, day := dump.Time.UTC().Date()
		switch {
		case d.year == 0:
			tell(d.nameOf(year))
		case d.month == 0 && d.year == year:
			tell(d.nameOf(int(month)))
		case d.year == year && time.Month(d.month) == month:
			tell(d.nameOf(day))
		}
	}
}
