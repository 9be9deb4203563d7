package catalog

import (
	"cmp"
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	sqlite3 "modernc.org/sqlite/lib"

	"thothfs/dump"
	"thothfs/query"
)

// ListOptions specify which dumps a list has, in which order, and what it says about each.
type ListOptions struct {
	// Sort is the field by whose values the list is sorted: numbers by size, texts by their bytes,
	// dumps without a value first, and dumps with equal values by time. nil means by time alone.
	// Dumps without a time come before all others, and dumps of the same second are sorted by hash.
	Sort *Field
	// Last is the number of dumps at the end of that order to list. 0 means all.
	Last int
	// Reverse lists the dumps in the opposite order.
	Reverse bool
	// Fields are the fields whose values are needed. They are read without the documents.
	Fields []*Field
	// Documents means that the dumps are needed with their documents.
	Documents bool
}

// List yields the dumps that match spec. Without o.Documents, a Dump has only its ID, its time in
// whole seconds and the texts of o.Fields, and is valid until the next one; Doc is nil, unless the
// value of a field is unusual (an array or very long, for example). List stops after yielding an error. No lock is held
// between dumps. A dump that is removed during the iteration may be left out.
func (r *Reader) List(ctx context.Context, spec query.Spec, o ListOptions) iter.Seq2[*Dump, error] {
	return func(yield func(*Dump, error) bool) {
		shown := map[dump.ID]bool{}
		begin, p := newList(o), r.plan(spec)
		var fill func() error
		switch {
		case o.Last > 0:
		case spec.String() == "" && (o.Sort == nil || !o.Sort.Sparse):
			begin.only = early
			fill = func() error { return r.fillEnd(ctx, p, begin, early, o.Reverse) }
		case o.Sort == nil && spec.Limit() == 0 && p.byEquality() && len(p.where) == 1:
			fill = func() error { return r.fillFirst(ctx, p, begin) }
		}
		if fill != nil {
			ok := r.list(ctx, begin, fill, func(d *Dump, err error) bool {
				if err == nil {
					shown[d.ID] = true
				}
				return yield(d, err)
			})
			if !ok || begin.whole && begin.rows() < early {
				return
			}
		}
		l := newList(o)
		r.list(ctx, l, func() error { return r.fill(ctx, spec, l) }, func(d *Dump, err error) bool {
			return err == nil && shown[d.ID] || yield(d, err)
		})
	}
}

// early is the number of dumps at the beginning of a long list that are read and listed before the others,
// which take a second if there are a million.
const early = 1000

// list fills a list, and yields its dumps. It reports whether the consumer wants more and there was no error.
func (r *Reader) list(ctx context.Context, l *list, fill func() error, yield func(*Dump, error) bool) bool {
	err := r.retry(ctx, func() error {
		l.parts = nil
		if err := fill(); err != nil {
			return err
		}
		l.sort()
		return nil
	})
	if err == nil {
		err = l.yield(ctx, r.Catalog, yield)
	}
	if err != nil && !errors.Is(err, errEnough) {
		yield(nil, err)
	}
	return err == nil
}

func newList(o ListOptions) *list {
	l := &list{o: o, fields: o.Fields}
	if o.Documents {
		l.fields = nil
	}
	if o.Sort != nil && !slices.Contains(l.fields, o.Sort) {
		l.fields = append(slices.Clone(l.fields), o.Sort)
	}
	return l
}

// rows returns the number of rows that were read.
func (l *list) rows() (n int) {
	for _, part := range l.parts {
		n += len(part.rows)
	}
	return n
}

// Arrange returns those of dumps that a list of them has, in its order.
func Arrange(dumps []*Dump, o ListOptions) []*Dump {
	l := &list{o: o}
	if o.Sort != nil {
		l.fields = []*Field{o.Sort}
	}
	part := l.newPart()
	for _, d := range dumps {
		sec := int64(unknown)
		if !d.Time.IsZero() {
			sec = d.Time.Unix()
		}
		part.addDocument(docFields{d.Doc, d.ID}, sec)
	}
	l.sort()
	var arranged []*Dump
	for _, n := range l.listed() {
		arranged = append(arranged, dumps[n])
	}
	return arranged
}

// list is the contents of a list. It is compact, since there may be a million dumps.
type list struct {
	o      ListOptions
	fields []*Field // those that are read
	only   int      // number of dumps at the beginning that are listed; 0 means all
	whole  bool     // fillEnd has read all dumps
	parts  []*listPart
}

// listPart is a part of a list. Parts are filled concurrently.
type listPart struct {
	fields []*Field
	index  []int // of the fields, in Fields
	rows   []listRow
	values []int64 // len(fields) for each row; for a text, the index in texts
	texts  []string
	codes  map[string]int64 // index in texts

	unusual []Row // to be read from their documents

	order []listKey // the rows as they are listed
	next  int       // index in order of the next row
}

// listRow is a dump in a listPart.
type listRow struct {
	id  dump.ID
	sec int64 // unknown if there is no time
	odd bool  // the values may be cut: the dump has to be read
}

// listKey stands for row n in a sorted listPart. Its key compares like the value by which the list is
// sorted.
type listKey struct {
	key int64
	n   int32
}

// noValue is the value of a field that is not set.
const noValue = math.MinInt64

// newPart adds a part to the list.
func (l *list) newPart() *listPart {
	part := &listPart{fields: l.fields, codes: map[string]int64{}}
	for _, f := range l.fields {
		part.index = append(part.index, f.index())
	}
	l.parts = append(l.parts, part)
	return part
}

// fill reads the rows of a list.
func (r *Reader) fill(ctx context.Context, spec query.Spec, l *list) error {
	if l.o.Last > 0 && l.o.Sort == nil {
		newest, err := query.Parse("limit=" + strconv.Itoa(l.o.Last))
		if err != nil {
			return err
		}
		spec = spec.And(newest)
	}
	p := r.plan(spec)
	switch {
	case len(l.fields) == 0 || spec.Limit() > 0 || p.verify != exact:
		return r.fillSelected(ctx, spec, l)
	case l.o.Last > 0 && len(p.where) == 0 && !l.o.Sort.Sparse: // every dump is in the index
		return r.fillEnd(ctx, p, l, l.o.Last, true)
	}
	return r.fillAll(ctx, p, l)
}

// fillSelected reads the columns of rows that are selected before.
func (r *Reader) fillSelected(ctx context.Context, spec query.Spec, l *list) error {
	rows, _, err := r.rows(ctx, spec)
	if err != nil {
		return err
	}
	part := l.newPart()
	if err := r.readColumns(ctx, part, rows); err != nil {
		return err
	}
	return r.readUnusual(ctx, part)
}

// readColumns reads the columns of rows.
func (r *Reader) readColumns(ctx context.Context, part *listPart, rows []Row) error {
	const chunk = 256
	if len(part.fields) == 0 {
		for _, row := range rows {
			part.rows = append(part.rows, listRow{id: row.ID, sec: row.Time})
		}
		return nil
	}
	for some := range slices.Chunk(rows, chunk) {
		args := make([]any, len(some))
		for i := range some {
			args[i] = some[i].ID[:]
		}
		if err := r.readRows(ctx, part, ` WHERE d.id IN (`+placeholders(len(some))+`)`, args); err != nil {
			return err
		}
	}
	return nil
}

// fillEnd reads the n greatest or least rows of a list of all dumps, and the odd ones, from the index of the
// field by which the list is sorted.
func (r *Reader) fillEnd(ctx context.Context, p *queryPlan, l *list, n int, greatest bool) error {
	index, where, order := `dumps_time`, ``, ` ORDER BY d.time, d.id`
	if f := l.o.Sort; f != nil {
		column := `d.` + f.column()
		index, where, order = `dumps_`+f.column(), ` WHERE ifnull(`+column+`, 0) < x''`, ` ORDER BY `+column+`, d.time, d.id`
	}
	if greatest {
		order = strings.ReplaceAll(order, `,`, ` DESC,`) + ` DESC`
	}
	var rows []Row
	ends := `SELECT d.id, d.time FROM dumps d INDEXED BY ` + index + where + order + ` LIMIT ?`
	err := r.Catalog.readRaw(ctx, ends, []any{n}, func(values []driver.Value) error {
		row, err := rowFrom(values)
		rows = append(rows, row)
		return err
	})
	if err != nil {
		return err
	}
	l.whole = len(rows) < n // a dump that is removed now has no columns
	part := l.newPart()
	if err := r.readColumns(ctx, part, rows); err != nil {
		return err
	}
	if l.o.Sort == nil { // odd rows are in the index of times
		return r.readUnusual(ctx, part)
	}
	return r.fillOdd(ctx, p, part)
}

// fillFirst reads some rows at the beginning of a list by time of the dumps that have a value of a field, if
// many dumps have it. If so, they are among the first of all dumps.
func (r *Reader) fillFirst(ctx context.Context, p *queryPlan, l *list) error {
	field := FieldAt(p.spec.Constraints()[0].Path)
	many, err := r.many(ctx, p)
	if err != nil || !many {
		return err
	}
	order := ` ORDER BY d.time, d.id`
	if l.o.Reverse {
		order = orderNewest
	}
	var rows []Row
	first := `SELECT d.id, d.time FROM (SELECT d.id, d.time, d.` + field.column() + ` FROM dumps d INDEXED BY dumps_time` + order + ` LIMIT ?) d` + whereAll(p.where) + order + ` LIMIT ?`
	err = r.Catalog.readRaw(ctx, first, slices.Concat([]any{manyRows * early}, p.args, []any{early}), func(values []driver.Value) error {
		row, err := rowFrom(values)
		rows = append(rows, row)
		return err
	})
	if err != nil || len(rows) == 0 {
		return err
	}
	part := l.newPart()
	if err := r.readColumns(ctx, part, rows); err != nil {
		return err
	}
	last := rows[len(rows)-1]
	err = r.Catalog.scanOdd(ctx, p, func(row *dumpRow, doc docFields) error {
		odd := row.listRow()
		if l.compareRows(&listRow{id: odd.ID, sec: odd.Time}, &listRow{id: last.ID, sec: last.Time}) < 0 {
			part.addDocument(doc, odd.Time)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.readUnusual(ctx, part)
}

// many reports whether reading all rows is faster than looking up those that match a plan.
func (r *Reader) many(ctx context.Context, p *queryPlan) (many bool, err error) {
	err = r.Catalog.one(ctx, &many, `SELECT (SELECT count(*) FROM dumps d`+whereAll(p.where)+`) > (SELECT coalesce(max(n), 0) FROM docs) / ?`,
		append(slices.Clone(p.args), manyRows)...)
	return many, err
}

// fillAll reads all rows that match a plan.
func (r *Reader) fillAll(ctx context.Context, p *queryPlan, l *list) error {
	if len(p.where) == 0 || p.byEquality() {
		err := r.fillBulk(ctx, p, l)
		if sqliteCode(err) != sqlite3.SQLITE_TOOBIG { // as with extremely long values
			return err
		}
		l.parts = nil
	}
	part := l.newPart()
	if err := r.readRows(ctx, part, whereAll(append(slices.Clone(p.where), `NOT d.odd`)), p.args); err != nil {
		return err
	}
	return r.fillOdd(ctx, p, part)
}

// manyRows is the share of all rows, as a divisor, from which an index does not help (see many).
const manyRows = 8

// rangeRows is the number of rows that are read together.
const rangeRows = 4096

// fillBulk is fillAll for plans whose conditions leave the use of their index to a range of hashes. It
// reads ranges concurrently and lets SQLite join the values of many rows into one text, since the
// driver takes a lock several times for every value.
func (r *Reader) fillBulk(ctx context.Context, p *queryPlan, l *list) error {
	var rows int64
	if err := r.Catalog.one(ctx, &rows, `SELECT coalesce(max(n), 0) FROM docs`); err != nil {
		return err
	}
	ranges := min(max(rows/rangeRows, 1), 1<<16)
	if len(p.where) == 1 {
		many, err := r.many(ctx, p)
		if err != nil {
			return err
		}
		if many {
			p = &queryPlan{spec: p.spec, now: p.now, where: []string{`+` + p.where[0]}, args: p.args}
		}
	}
	var next atomic.Int64
	group, gctx := errgroup.WithContext(ctx)
	workers := min(int64(scanParts), int64(runtime.GOMAXPROCS(0)), ranges)
	for range workers {
		part := l.newPart()
		group.Go(func() error {
			for {
				i := next.Add(1) - 1
				if i >= ranges {
					return r.readUnusual(gctx, part)
				}
				first := len(part.rows) == 0
				if err := r.readRange(gctx, p, part, i, ranges); err != nil {
					return err
				}
				if first { // the other ranges will have about as many rows
					more := len(part.rows) * int(ranges/workers)
					part.rows, part.values = slices.Grow(part.rows, more), slices.Grow(part.values, more*len(part.fields))
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return r.fillOdd(ctx, p, l.parts[0])
}

// readRange reads the rows whose hash is in range i of n equal ranges.
func (r *Reader) readRange(ctx context.Context, p *queryPlan, part *listPart, i, n int64) error {
	inRange := &queryPlan{where: append(slices.Clone(p.where), `NOT d.odd`), args: slices.Clone(p.args)}
	var low, end dump.ID
	binary.BigEndian.PutUint16(low[:], uint16(i<<16/n))
	inRange.and(`d.id >= ?`, low[:])
	if i < n-1 {
		binary.BigEndian.PutUint16(end[:], uint16((i+1)<<16/n))
		inRange.and(`d.id < ?`, end[:])
	}
	columns := `d.id, coalesce(d.time, '')`
	for _, f := range part.fields {
		columns += `, coalesce(d.` + f.column() + `, '')`
	}
	joined := `SELECT group_concat(concat_ws(char(0), ` + columns + `), char(0)) FROM dumps d` + whereAll(inRange.where)
	return r.Catalog.readRaw(ctx, joined, inRange.args, func(values []driver.Value) error {
		text, _ := values[0].(string)
		return part.addJoined(text)
	})
}

// addJoined adds rows that are joined by NUL, as are their values. No value contains a NUL, except the
// hash, whose length is known.
func (part *listPart) addJoined(text string) error {
	for text != "" {
		var row listRow
		if len(text) < len(row.id)+1 {
			return errForeign
		}
		copy(row.id[:], text)
		sec, rest, _ := strings.Cut(text[len(row.id)+1:], "\x00")
		row.sec = unknown
		if sec != "" {
			var err error
			if row.sec, err = strconv.ParseInt(sec, 10, 64); err != nil {
				return errForeign
			}
		}
		isLong := false
		for _, f := range part.fields {
			var value string
			value, rest, _ = strings.Cut(rest, "\x00")
			number := int64(noValue)
			if f.Number && value != "" {
				var err error
				if number, err = strconv.ParseInt(value, 10, 64); err != nil {
					return errForeign
				}
			} else if len(value) <= maxListed {
				number = part.code(value)
			}
			part.values = append(part.values, number)
			isLong = isLong || len(value) > maxListed
		}
		text = rest
		if part.rows = append(part.rows, row); isLong {
			part.setAside()
		}
	}
	return nil
}

// maxListed is the maximum length of a value that a list keeps, in bytes.
const maxListed = 4096

// setAside makes the last row one that is read from its document.
func (part *listPart) setAside() {
	last := part.rows[len(part.rows)-1]
	part.unusual = append(part.unusual, Row{last.id, last.sec})
	part.rows = part.rows[:len(part.rows)-1]
	part.values = part.values[:len(part.rows)*len(part.fields)]
}

// readRows reads rows one by one. more is the end of the query.
func (r *Reader) readRows(ctx context.Context, part *listPart, more string, args []any) error {
	columns := `SELECT d.id, d.time`
	for _, f := range part.fields {
		columns += `, d.` + f.column()
	}
	return r.Catalog.readRaw(ctx, columns+` FROM dumps d`+more, args, part.addRow)
}

// addRow adds a row of columns.
func (part *listPart) addRow(columns []driver.Value) error {
	row, err := rowFrom(columns)
	if err != nil {
		return err
	}
	isUnusual := false
	for _, value := range columns[2:] {
		number := int64(noValue)
		switch v := value.(type) {
		case nil:
		case int64:
			number = v
		case string:
			if isUnusual = isUnusual || len(v) > maxListed; len(v) <= maxListed {
				number = part.code(v)
			}
		case []byte:
			isUnusual = true // the row is odd
		default:
			return errForeign
		}
		part.values = append(part.values, number)
	}
	part.rows = append(part.rows, listRow{id: row.ID, sec: row.Time})
	if isUnusual {
		part.setAside()
	}
	return nil
}

// readUnusual reads the documents of rows that were set aside.
func (r *Reader) readUnusual(ctx context.Context, part *listPart) error {
	for some := range slices.Chunk(part.unusual, 64) {
		dumps, err := r.Catalog.dumps(ctx, some)
		if err != nil {
			return err
		}
		for _, row := range some {
			if d := dumps[row.ID]; d != nil {
				part.addDocument(docFields{d.Doc, d.ID}, row.Time)
			}
		}
	}
	part.unusual = nil
	return nil
}

// fillOdd adds the odd rows that match, and the rows that were set aside.
func (r *Reader) fillOdd(ctx context.Context, p *queryPlan, part *listPart) error {
	err := r.Catalog.scanOdd(ctx, p, func(row *dumpRow, doc docFields) error {
		part.addDocument(doc, row.listRow().Time)
		return nil
	})
	if err != nil {
		return err
	}
	return r.readUnusual(ctx, part)
}

// addDocument adds a row that is read again, from its document, when it is listed.
func (part *listPart) addDocument(doc docFields, sec int64) {
	row := listRow{id: doc.id, sec: sec, odd: true}
	for _, f := range part.fields {
		value := int64(noValue)
		if v, ok := lookup(doc.Document, f.Name); ok && !f.Number {
			text := v.Text()
			value = part.code(strings.Clone(text[:min(len(text), maxListed)]))
		} else if n, isInt := integer(v.Text()); ok && isInt {
			value = n
		}
		part.values = append(part.values, value)
	}
	part.rows = append(part.rows, row)
}

// code returns the index of a text in texts. The empty text has none, since lists do not distinguish it
// from a missing value.
func (part *listPart) code(text string) int64 {
	if text == "" {
		return noValue
	}
	code, ok := part.codes[text]
	if !ok {
		text = strings.Clone(text) // it may be part of a long one
		code = int64(len(part.texts))
		part.texts = append(part.texts, text)
		part.codes[text] = code
	}
	return code
}

// sort sorts the rows of each part.
func (l *list) sort() {
	key := func(part *listPart, n int) int64 { return part.rows[n].sec }
	if l.o.Sort != nil {
		key = l.keys(slices.Index(l.fields, l.o.Sort))
	}
	var group errgroup.Group
	for _, part := range l.parts {
		group.Go(func() error {
			part.order = make([]listKey, len(part.rows))
			for n := range part.rows {
				part.order[n] = listKey{key(part, n), int32(n)}
			}
			slices.SortFunc(part.order, func(a, b listKey) int {
				if a.key != b.key && a.key < b.key != l.o.Reverse {
					return -1
				}
				if a.key != b.key {
					return 1
				}
				return l.compareRows(&part.rows[a.n], &part.rows[b.n])
			})
			return nil
		})
	}
	group.Wait()
}

// keys returns a function for the sort key of a row: the value of a field, or its rank if it is a text.
func (l *list) keys(field int) func(part *listPart, n int) int64 {
	value := func(part *listPart, n int) int64 { return part.values[n*len(l.fields)+field] }
	if l.fields[field].Number {
		return value
	}
	var all []string
	for _, part := range l.parts {
		all = append(all, part.texts...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	ranks := map[*listPart][]int64{}
	for _, part := range l.parts {
		for _, text := range part.texts {
			rank, _ := slices.BinarySearch(all, text)
			ranks[part] = append(ranks[part], int64(rank))
		}
	}
	return func(part *listPart, n int) int64 {
		code := value(part, n)
		if code == noValue {
			return noValue
		}
		return ranks[part][code]
	}
}

// compareRows orders rows with equal keys.
func (l *list) compareRows(a, b *listRow) int {
	c := cmp.Or(cmp.Compare(a.sec, b.sec), CompareIDs(a.id, b.id))
	if l.o.Reverse {
		return -c
	}
	return c
}

// before reports whether the next row of part a is listed before that of part b.
func (l *list) before(a, b *listPart) bool {
	x, y := a.order[a.next], b.order[b.next]
	if x.key != y.key {
		return x.key < y.key != l.o.Reverse
	}
	return l.compareRows(&a.rows[x.n], &b.rows[y.n]) < 0
}

// listed yields the rows of all parts in order, each as a part and the index of a row.
func (l *list) listed() iter.Seq2[*listPart, int] {
	return func(yield func(*listPart, int) bool) {
		end := 0
		for _, part := range l.parts {
			part.next = 0
			end += len(part.order)
		}
		first := 0
		switch {
		case l.o.Last > 0 && l.o.Reverse:
			end = min(end, l.o.Last)
		case l.o.Last > 0:
			first = max(0, end-l.o.Last)
		}
		if l.only > 0 {
			end = min(end, l.only)
		}
		for i := range end {
			var from *listPart
			for _, part := range l.parts {
				if part.next < len(part.order) && (from == nil || l.before(part, from)) {
					from = part
				}
			}
			n := int(from.order[from.next].n)
			if from.next++; i >= first && !yield(from, n) {
				return
			}
		}
	}
}

// yield yields the dumps of the list. It returns errEnough if the consumer does not want more.
func (l *list) yield(ctx context.Context, c *Catalog, yield func(*Dump, error) bool) error {
	var pending []Row // dumps to be read
	size, chunk := 0, 1
	flush := func() error {
		if len(pending) == 0 {
			return nil
		}
		dumps, err := c.dumps(ctx, pending)
		if err != nil {
			return err
		}
		size = 0
		for _, row := range pending {
			d := dumps[row.ID]
			if d == nil {
				continue
			}
			size += len(d.Doc.Raw())
			if !yield(d, nil) {
				return errEnough
			}
		}
		chunk = nextChunk(len(pending), size)
		pending = pending[:0]
		return nil
	}
	var d Dump
	for part, n := range l.listed() {
		if row := &part.rows[n]; l.o.Documents || row.odd {
			if pending = append(pending, Row{ID: row.id}); len(pending) < chunk && l.o.Documents {
				continue
			}
			if err := flush(); err != nil {
				return err
			}
			continue
		}
		part.dump(n, &d)
		if !yield(&d, nil) {
			return errEnough
		}
	}
	return flush()
}

// dump sets d to the dump of row n.
func (part *listPart) dump(n int, d *Dump) {
	row := &part.rows[n]
	d.ID, d.Time = row.id, time.Time{}
	if row.sec != unknown {
		d.Time = time.Unix(row.sec, 0).UTC()
	}
	for i, value := range part.values[n*len(part.fields) : (n+1)*len(part.fields)] {
		text := &d.texts[part.index[i]]
		switch {
		case value == noValue:
			*text = ""
		case part.fields[i].Number:
			*text = strconv.FormatInt(value, 10)
		default:
			*text = part.texts[value]
		}
	}
}

// readRaw calls f for every row of a query, with values that are valid until it returns. It uses the
// driver directly because sql.Rows.Scan would take most of the time with a million rows. It may return
// ErrRebuilt.
func (c *Catalog) readRaw(ctx context.Context, query string, args []any, f func([]driver.Value) error) error {
	named := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		value, err := driver.DefaultParameterConverter.ConvertValue(arg)
		if err != nil {
			return err
		}
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: value}
	}
	return c.try(ctx, func(db *database) error {
		conn, err := db.readers.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close() // back to the pool
		return conn.Raw(func(c any) error {
			found, err := c.(driver.QueryerContext).QueryContext(ctx, query, named)
			if err != nil {
				return err
			}
			defer found.Close() // Next returns any error
			values := make([]driver.Value, len(found.Columns()))
			for {
				err := found.Next(values)
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err == nil {
					err = f(values)
				}
				if err != nil {
					return err
				}
			}
		})
	})
}
