package report

import (
	"fmt"
	"time"
)

// Period is a unit of time by which dumps are counted.
type Period string

// Periods are all periods.
var Periods = []Period{"hour", "day", "week", "month", "year"}

// maxGaps is the maximum number of rows that FillGaps adds.
const maxGaps = 2000

// start returns the beginning of the period of t.
func (p Period) start(t time.Time) time.Time {
	y, m, d := t.Date()
	switch p {
	case "hour":
		return time.Date(y, m, d, t.Hour(), 0, 0, 0, t.Location())
	case "week": // of ISO 8601: from Monday
		return time.Date(y, m, d-(int(t.Weekday())+6)%7, 0, 0, 0, 0, t.Location())
	case "month":
		return time.Date(y, m, 1, 0, 0, 0, 0, t.Location())
	case "year":
		return time.Date(y, 1, 1, 0, 0, 0, 0, t.Location())
	}
	return time.Date(y, m, d, 0, 0, 0, 0, t.Location())
}

// next returns the beginning of the period after the one that begins at t.
func (p Period) next(t time.Time) time.Time {
	switch p {
	case "hour":
		return t.Add(time.Hour)
	case "week":
		return t.AddDate(0, 0, 7)
	case "month":
		return t.AddDate(0, 1, 0)
	case "year":
		return t.AddDate(1, 0, 0)
	}
	return t.AddDate(0, 0, 1)
}

// label returns the name of the period of t. Names are in the order of time, for years from 0 to 9999.
func (p Period) label(t time.Time) string {
	switch p {
	case "hour":
		return t.Format("2006-01-02 15:00")
	case "week":
		year, week := t.ISOWeek()
		return fmt.Sprintf("%04d-W%02d", year, week)
	case "month":
		return t.Format("2006-01")
	case "year":
		return t.Format("2006")
	}
	return t.Format(time.DateOnly)
}

// FillGaps adds the periods from that of first to that of last which have no dumps, if the report counts by
// time alone and there are not too many of them.
func (r *Report) FillGaps(first, last time.Time) {
	if r.byTime() != 0 || len(r.Properties) != 1 || first.IsZero() || last.Before(first) {
		return
	}
	known := map[string]bool{}
	for _, row := range r.Rows {
		known[row.Values[0].Text] = true
	}
	var gaps []Row
	last = last.In(r.Zone)
	for t := r.Period.start(first.In(r.Zone)); !t.After(last); t = r.Period.next(t) {
		label := r.Period.label(t)
		if known[label] {
			continue
		}
		known[label] = true
		if gaps = append(gaps, Row{Values: []Value{{label, true}}}); len(gaps) > maxGaps {
			return
		}
	}
	r.Rows = append(r.Rows, gaps...)
	r.Sort()
}
