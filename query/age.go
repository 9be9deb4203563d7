package query

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

const ageHint = "an age is a number and one of s, min, minute, h, d, w, week, fortnight, m or month (31 days), " +
	"y or year; a moment is 2013-07-11, 2013-07-11T18:00 (UTC) or 2013-07-11T20:00:00+02:00"

const day = 24 * time.Hour

// unitOf returns the length of a unit of age. The units are those of the original Thoth.
func unitOf(name string) (time.Duration, bool) {
	switch name {
	case "", "s":
		return time.Second, true
	case "min", "minute":
		return time.Minute, true
	case "h":
		return time.Hour, true
	case "d":
		return day, true
	case "w", "week":
		return 7 * day, true
	case "fortnight":
		return 14 * day, true
	case "m", "month":
		return 31 * day, true
	case "y", "year":
		return 365 * day, true
	}
	return 0, false
}

// ParseAge parses an age: a whole number, which defaults to 1, and a unit. Units are s (the
// default), min, minute, h, d, w, week, fortnight, m and month (31 days), y and year (365
// days). An age longer than the maximum Duration, 292 years, is reduced to it.
func ParseAge(s string) (time.Duration, error) {
	digits := 0
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	unit, ok := unitOf(s[digits:])
	switch {
	case s == "":
		return 0, errors.New("an age is missing")
	case !ok:
		return 0, fmt.Errorf("%q is not an age", s)
	case digits == 0:
		return unit, nil
	}
	n, err := strconv.ParseInt(s[:digits], 10, 64)
	if err != nil || n > math.MaxInt64/int64(unit) { // err can only be a range error
		return math.MaxInt64, nil
	}
	return time.Duration(n) * unit, nil
}

// parseCutoff parses the value of mtime= or otime=: an age or a moment.
func parseCutoff(op Op, s string) (Constraint, error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil && !t.IsZero() {
		return Constraint{Path: "time", Op: op, Value: s, At: t}, nil
	}
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return moment(op, t), nil
		}
	}
	age, err := ParseAge(s)
	if err != nil {
		return Constraint{}, err
	}
	return Constraint{Path: "time", Op: op, Value: s, Age: age}, nil
}

// moment returns a constraint that compares with t, limited to the years that RFC 3339 can
// represent.
func moment(op Op, t time.Time) Constraint {
	first := time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC) // just after Time's zero value
	last := time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)
	t = t.UTC().Round(0)
	if t.Before(first) {
		t = first
	}
	if t.After(last) {
		t = last
	}
	return Constraint{Path: "time", Op: op, Value: t.Format(time.RFC3339Nano), At: t}
}
