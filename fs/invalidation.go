package fs

import (
	"time"

	"thothfs/corpus"
	"thothfs/query"
)

// Watched is a directory whose names depend on the corpus.
type Watched interface {
	Dir
	// Changed calls report for every name in the directory that a change of one dump may have
	// added, removed or altered.
	Changed(c corpus.Change, report func(name string))
}

// Subscribe registers a callback for all changes of the corpus, in order. It is also called for
// every edit by this tree, before the edit returns. It must not block.
func (t *Tree) Subscribe(changed func([]corpus.Change)) (cancel func()) {
	t.mu.Lock()
	t.edited = changed
	t.mu.Unlock()
	return t.o.Corpus.Subscribe(func(changes []corpus.Change) {
		for _, c := range changes {
			if c.Old != nil && c.New == nil {
				t.buffers.discardTemporaries(c.ID.String())
			}
		}
		changed(changes)
	})
}

func (d *hashDir) Changed(c corpus.Change, report func(name string)) {
	if c.Old == nil || c.New == nil {
		report(c.ID.String())
	}
}

func (v *viewDir) Changed(c corpus.Change, report func(name string)) {
	was, is := v.holds(c.Old), v.holds(c.New)
	if was != is || is && unixOf(c.Old) != unixOf(c.New) || v.spec.Limit() > 0 {
		report(c.ID.String())
	}
}

// holds reports whether the view may contain the dump d. A dump without a known document may be in
// every view.
func (v *viewDir) holds(d *corpus.Dump) bool {
	return d != nil && (d.Doc == nil || v.spec.Match(d.Fields(), time.Now()))
}

func (d *valueDir) Changed(c corpus.Change, report func(name string)) {
	was, is := fieldOf(c.Old, d.field), fieldOf(c.New, d.field)
	if was == is && c.Old != nil && c.New != nil {
		return
	}
	for _, text := range []string{was, is} {
		report(query.EncodeName(text))
	}
}

func fieldOf(d *corpus.Dump, f *corpus.Field) string {
	if d == nil {
		return ""
	}
	return d.Text(f)
}

func (d *timeDir) Changed(c corpus.Change, report func(name string)) {
	for _, dump := range []*corpus.Dump{c.Old, c.New} {
		if dump == nil || dump.Time.IsZero() {
			continue
		}
		year, month, day := dump.Time.UTC().Date()
		switch {
		case d.year == 0:
			report(d.nameOf(year))
		case d.month == 0 && d.year == year:
			report(d.nameOf(int(month)))
		case d.year == year && time.Month(d.month) == month:
			report(d.nameOf(day))
		}
	}
}
