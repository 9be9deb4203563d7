package corpus

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"thothfs/dump"
	"thothfs/query"
)

// Row is a dump in a list.
type Row struct {
	ID   dump.ID
	Time int64 // seconds since 1970, 0 when unknown
}

// Field is a property that has a view of its own, as specifications spell it.
type Field string

// The indexed fields.
const (
	TypeField Field = "type"
	Cmd       Field = "cmd"
	Node      Field = "node"
	Platform  Field = "platform"
	Ticket    Field = "ticket"
	Signature Field = "properties.signature" // of the crash: what has the same is the same bug
)

// Value is one value that a field has.
type Value struct {
	Text   string
	Count  int   // of dumps that have it
	Newest int64 // time of the newest of them, as Row.Time
}

// unknown is Row.Time within this package when the time is not known: it is the
// oldest.
const unknown = math.MinInt64

func (r *dumpRow) listRow() Row {
	if !r.sec.Valid {
		return Row{r.dumpID(), unknown}
	}
	return Row{r.dumpID(), r.sec.Int64}
}

// older orders rows by time, then by hash.
func older(a, b Row) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), compareIDs(a.ID, b.ID))
}

// Select returns the dumps that match spec, sorted by ID, from the catalogue. With
// a limit they are the newest; those without a time count as oldest.
func (c *Corpus) Select(ctx context.Context, spec query.Spec) ([]Row, error) {
	rows, sorted, err := c.matches(ctx, spec)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		if rows[i].Time == unknown {
			rows[i].Time = 0
		}
	}
	if !sorted {
		slices.SortFunc(rows, func(a, b Row) int { return compareIDs(a.ID, b.ID) })
	}
	return rows, nil
}

// matches returns what matches spec, and whether it is sorted by ID.
func (c *Corpus) matches(ctx context.Context, spec query.Spec) (rows []Row, sorted bool, err error) {
	err = c.retryRebuilt(ctx, func() error {
		rows, sorted, err = c.rows(ctx, spec)
		return err
	})
	return rows, sorted, err
}

func (c *Corpus) rows(ctx context.Context, spec query.Spec) (rows []Row, sorted bool, err error) {
	p, limit, order := newQueryPlan(spec, c.now()), spec.Limit(), orderID
	if spec.String() == "" {
		err = c.cat.rowsAfter(ctx, nil, func(part []Row) error {
			rows = append(rows, part...)
			return nil
		})
		return rows, true, err
	}
	if limit > 0 {
		order = orderNewest
	}
	sorted = !p.ofDocuments()
	err = c.cat.scan(ctx, p, true, "", order, func(r *dumpRow) error {
		rows = append(rows, r.listRow())
		if sorted && len(rows) == limit {
			return errEnough
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	n := len(rows)
	if p.columns {
		err = c.cat.scanOdd(ctx, p, func(r *dumpRow, _ docFields) error {
			rows = append(rows, r.listRow())
			return nil
		})
	}
	if err != nil || sorted && len(rows) == n {
		return rows, limit == 0, err
	}
	slices.SortFunc(rows, older)
	if limit > 0 && len(rows) > limit {
		rows = rows[len(rows)-limit:]
	}
	return rows, false, nil
}

// Dumps yields the dumps that match spec, with their documents, oldest first (those
// without a time before all others), from the catalogue. It yields one error and
// stops. Nothing is held between two dumps: the consumer may take its time, and
// call the Corpus. A dump that goes meanwhile is left out.
func (c *Corpus) Dumps(ctx context.Context, spec query.Spec) iter.Seq2[*Dump, error] {
	return func(yield func(*Dump, error) bool) {
		rows, _, err := c.matches(ctx, spec)
		if err != nil {
			yield(nil, err)
			return
		}
		slices.SortFunc(rows, older)
		for n, held := 1, 0; len(rows) > 0; n = nextChunk(n, held) {
			chunk := rows[:min(n, len(rows))]
			rows, held = rows[len(chunk):], 0
			dumps, err := c.cat.dumps(ctx, chunk)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, r := range chunk {
				d := dumps[r.ID]
				if d == nil {
					continue
				}
				held += len(d.Doc.Raw())
				if !yield(d, nil) {
					return
				}
			}
		}
	}
}

// nextChunk is how many dumps are read together after n that had so many bytes of
// documents: more, as long as they are small.
func nextChunk(n, held int) int {
	if held > 4<<20 {
		return max(n/8, 1)
	}
	return min(2*n, 64)
}

// dumps returns those of rows that are there.
func (c *catalogue) dumps(ctx context.Context, rows []Row) (map[dump.ID]*Dump, error) {
	all := map[dump.ID]*Dump{}
	args := make([]any, len(rows))
	for i := range rows {
		args[i] = rows[i].ID[:]
	}
	in := `WHERE d.id IN (?` + strings.Repeat(`, ?`, len(rows)-1) + `)`
	err := c.read(ctx, func(q querier) error {
		return each(ctx, q, func(scan func(...any) error) error {
			d, err := scanDump(scan)
			if err == nil {
				all[d.ID] = d
			}
			return err
		}, withDoc+in, args...)
	})
	return all, err
}

// Days returns what by-time needs, ascending: the years that have dumps that match
// spec; with a year, the months of it; with both, the days. In UTC; times before
// the year 1 or after 9999 are left out.
func (c *Corpus) Days(ctx context.Context, year, month int, spec query.Spec) ([]int, error) {
	from, to, unit, next := period(year, month)
	units := map[int]bool{}
	if spec.String() != "" {
		rows, err := c.Select(ctx, spec.And(query.Between(from, to)))
		for _, r := range rows {
			units[unit(time.Unix(r.Time, 0).UTC())] = true
		}
		return slices.Sorted(maps.Keys(units)), err
	}
	for from.Before(to) {
		first, ok, err := c.cat.firstTime(ctx, from, to)
		if err != nil || !ok {
			return slices.Sorted(maps.Keys(units)), err
		}
		units[unit(first)] = true
		from = next(first)
	}
	return slices.Sorted(maps.Keys(units)), nil
}

// period returns a range of time, how its parts are called, and where the part after
// a moment begins.
func period(year, month int) (from, to time.Time, unit func(time.Time) int, next func(time.Time) time.Time) {
	date := func(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }
	switch {
	case year == 0:
		return date(1, 1, 1), date(10000, 1, 1), time.Time.Year,
			func(t time.Time) time.Time { return date(t.Year()+1, 1, 1) }
	case month == 0:
		return date(year, 1, 1), date(year+1, 1, 1), func(t time.Time) int { return int(t.Month()) },
			func(t time.Time) time.Time { return date(t.Year(), int(t.Month())+1, 1) }
	}
	return date(year, month, 1), date(year, month+1, 1), time.Time.Day,
		func(t time.Time) time.Time { return date(t.Year(), int(t.Month()), t.Day()+1) }
}

// firstTime returns the time of the first dump in a range.
func (c *catalogue) firstTime(ctx context.Context, from, to time.Time) (t time.Time, ok bool, err error) {
	var r dumpRow
	err = c.read(ctx, func(q querier) error {
		return q.QueryRowContext(ctx, `SELECT min(time) FROM dumps WHERE time >= ? AND time < ?`, from.Unix(), to.Unix()).Scan(&r.sec)
	})
	return r.timestamp(), r.sec.Valid, err
}
