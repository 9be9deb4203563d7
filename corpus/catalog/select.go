package catalog

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"iter"
	"maps"
	"slices"
	"time"

	"thothfs/dump"
	"thothfs/query"
)

// Reader runs queries on a catalogue. If the catalogue is rebuilt during a query, the query is
// repeated after Refill returns.
type Reader struct {
	Catalog *Catalog
	Now     func() time.Time
	Refill  func(context.Context) error // returns when the catalogue covers the corpus again
}

// retry runs f, and runs it again if the catalogue was rebuilt.
func (r *Reader) retry(ctx context.Context, f func() error) error {
	err := f()
	if !errors.Is(err, ErrRebuilt) {
		return err
	}
	if err := r.Refill(ctx); err != nil {
		return err
	}
	return f()
}

func (r *Reader) plan(spec query.Spec) *queryPlan { return newQueryPlan(spec, r.Now()) }

// older compares rows by time, then by hash.
func older(a, b Row) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), CompareIDs(a.ID, b.ID))
}

// hideUnknown sets unknown times to 0, as documented for Row.Time.
func hideUnknown(rows []Row) {
	for i := range rows {
		if rows[i].Time == unknown {
			rows[i].Time = 0
		}
	}
}

// Select returns the dumps that match spec, sorted by ID. If spec has a limit, it returns the
// newest; dumps without a time count as oldest.
func (r *Reader) Select(ctx context.Context, spec query.Spec) ([]Row, error) {
	rows, sorted, err := r.matches(ctx, spec)
	if err != nil {
		return nil, err
	}
	hideUnknown(rows)
	if !sorted {
		slices.SortFunc(rows, func(a, b Row) int { return CompareIDs(a.ID, b.ID) })
	}
	return rows, nil
}

// matches returns the dumps that match spec and reports whether they are sorted by ID.
func (r *Reader) matches(ctx context.Context, spec query.Spec) (rows []Row, sorted bool, err error) {
	err = r.retry(ctx, func() error {
		rows, sorted, err = r.rows(ctx, spec)
		return err
	})
	return rows, sorted, err
}

func (r *Reader) rows(ctx context.Context, spec query.Spec) (rows []Row, sorted bool, err error) {
	p, limit, order := r.plan(spec), spec.Limit(), orderID
	if spec.String() == "" {
		err = r.Catalog.rowsAfter(ctx, nil, func(part []Row) error {
			rows = append(rows, part...)
			return nil
		})
		return rows, true, err
	}
	if limit > 0 {
		order = orderNewest
	}
	sorted = !p.ofDocuments()
	err = r.Catalog.scan(ctx, p, true, "", order, func(row *dumpRow) error {
		rows = append(rows, row.listRow())
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
		err = r.Catalog.scanOdd(ctx, p, func(row *dumpRow, _ docFields) error {
			rows = append(rows, row.listRow())
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

// Dumps yields the dumps that match spec, with their documents, oldest first; dumps without a time
// come before all others. It stops after yielding an error. No lock is held between dumps, so the
// consumer may take its time and call any method. A dump that is removed during the iteration is
// left out.
func (r *Reader) Dumps(ctx context.Context, spec query.Spec) iter.Seq2[*Dump, error] {
	return r.List(ctx, spec, ListOptions{Documents: true})
}

// nextChunk returns how many dumps to read together after a chunk of n dumps with documents of size
// bytes in all. Chunks grow as long as the documents are small.
func nextChunk(n, size int) int {
	if size > 4<<20 {
		return max(n/8, 1)
	}
	return min(2*n, 64)
}

// dumps returns those dumps of rows that are still in the catalogue.
func (c *Catalog) dumps(ctx context.Context, rows []Row) (map[dump.ID]*Dump, error) {
	args := make([]any, len(rows))
	for i := range rows {
		args[i] = rows[i].ID[:]
	}
	found, err := collect(ctx, c, scanDump, selectDumps+`WHERE d.id IN (`+placeholders(len(rows))+`)`, args...)
	byID := map[dump.ID]*Dump{}
	for _, d := range found {
		byID[d.ID] = d
	}
	return byID, err
}

// Days returns the entries of by-time in ascending order: the years that have dumps; if year is not
// 0, the months of that year; if month is not 0 either, the days of that month. All are in UTC.
// Times before the year 1 or after 9999 are left out.
func (r *Reader) Days(ctx context.Context, year, month int) ([]int, error) {
	from, to, unit, next := period(year, month)
	units := map[int]bool{}
	for from.Before(to) {
		var sec *int64
		err := r.Catalog.one(ctx, &sec, `SELECT min(time) FROM dumps WHERE time >= ? AND time < ?`, from.Unix(), to.Unix())
		if err != nil {
			return nil, err
		}
		if sec == nil {
			break
		}
		first := time.Unix(*sec, 0).UTC()
		units[unit(first)] = true
		from = next(first)
	}
	return slices.Sorted(maps.Keys(units)), nil
}

// period returns a time range, a function that numbers its parts, and a function that returns the
// start of the part after a given time.
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

// partRows is the number of rows that All yields at once.
const partRows = 4096

// All yields all dumps in hash order, in parts, each as soon as it has been read, so that a
// consumer can work on the first part while the others are read. The consumer owns the parts. All
// stops after yielding an error. It occupies a connection between parts.
func (r *Reader) All(ctx context.Context) iter.Seq2[[]Row, error] {
	return func(yield func([]Row, error) bool) {
		var after []byte // last hash yielded
		err := r.retry(ctx, func() error {
			return r.Catalog.rowsAfter(ctx, after, func(part []Row) error {
				after = part[len(part)-1].ID[:]
				hideUnknown(part)
				if !yield(part, nil) {
					return errEnough
				}
				return nil
			})
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, err)
		}
	}
}

const rowsAfter = `SELECT id, time FROM dumps INDEXED BY dumps_list WHERE id > ? ORDER BY id`

// rowsAfter calls fn with the dumps whose hash is greater than id, in parts, until fn returns an
// error. It may return ErrRebuilt.
func (c *Catalog) rowsAfter(ctx context.Context, id []byte, fn func([]Row) error) error {
	var part []Row
	err := c.readRaw(ctx, rowsAfter, []any{notNil(id)}, func(values []driver.Value) error {
		r, err := rowFrom(values)
		if err != nil {
			return err
		}
		if part == nil {
			part = make([]Row, 0, partRows)
		}
		if part = append(part, r); len(part) < partRows {
			return nil
		}
		full := part
		part = nil
		return fn(full)
	})
	if err == nil && len(part) > 0 {
		err = fn(part)
	}
	return err
}

// rowFrom returns the row whose first columns are a hash and a time.
func rowFrom(values []driver.Value) (Row, error) {
	r := Row{Time: unknown}
	id, isBytes := values[0].([]byte)
	sec, isNumber := values[1].(int64)
	if !isBytes || values[1] != nil && !isNumber {
		return r, errForeign
	}
	if copy(r.ID[:], id); isNumber {
		r.Time = sec
	}
	return r, nil
}
