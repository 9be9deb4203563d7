package corpus

import (
	"errors"
	"slices"
	"testing"

	"thothfs/corpus/catalog"
	"thothfs/query"
	"thothfs/store/mem"
)

// partRows is the number of rows that All yields at once.
const partRows = 4096

func allRows(t *testing.T, c *Corpus) (rows []Row, parts int) {
	t.Helper()
	for part, err := range c.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, part...)
		parts++
	}
	return rows, parts
}

// TestAll compares the parts with a selection of everything.
func TestAll(t *testing.T) {
	s := mem.New()
	c := open(t, options(t, s))
	if rows, parts := allRows(t, c); parts != 0 {
		t.Errorf("of an empty corpus: %v", rows)
	}
	seed(s, partRows+3)
	sync1(t, c)
	want, err := c.Select(t.Context(), query.Spec{})
	if err != nil || len(want) != partRows+3 {
		t.Fatal(len(want), err)
	}
	rows, parts := allRows(t, c)
	if !slices.Equal(rows, want) || parts != 2 {
		t.Errorf("%d rows in %d parts are not the %d of a selection", len(rows), parts, len(want))
	}
	if !slices.IsSortedFunc(rows, func(a, b Row) int { return catalog.CompareIDs(a.ID, b.ID) }) {
		t.Error("they are not in the order of their hashes")
	}
	for range 10 { // a consumer that stops early must return its connection
		for range c.All(t.Context()) {
			break
		}
	}
}

// TestAllOfADamagedCatalogue checks that All continues with the rebuilt catalogue, and that a
// closed catalogue yields an error and no rows.
func TestAllOfADamagedCatalogue(t *testing.T) {
	s := mem.New()
	seed(s, 30)
	c, err := Open(t.Context(), options(t, s))
	if err != nil {
		t.Fatal(err)
	}
	sync1(t, c)
	if err := c.cat.Exec(t.Context(), `DROP TABLE docs; DROP TABLE dumps`); err != nil {
		t.Fatal(err)
	}
	if rows, _ := allRows(t, c); len(rows) != 30 {
		t.Errorf("%d rows", len(rows))
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	var last error
	for part, err := range c.All(t.Context()) {
		if len(part) > 0 {
			t.Errorf("%d rows of what is closed", len(part))
		}
		last = errors.Join(last, err)
	}
	if last == nil {
		t.Error("no error of what is closed")
	}
}
