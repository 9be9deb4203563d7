package query

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const timeHint = "write a time as 2 hours ago, 3 days ago, 10m (minutes), 2h, 3d, today, yesterday, 2026-11-29, 2026-11-29 14:00 or 2026-11-29T14:00:00Z"

// ParseTime parses a time as people write it: a day or a time in RFC 3339 format; "today",
// "yesterday" or a day, each with or without a time of day; "now"; a duration before now, as in "2h",
// "3d" or "2 hours ago". A day is its first moment, and without a zone a time is in that of now. As
// in time.Duration, and unlike in specifications, m is a minute.
func ParseTime(now time.Time, text string) (time.Time, error) {
	s := strings.Join(strings.Fields(text), " ")
	if t, ok := parseInstant(now, s); ok {
		return t, nil
	}
	if t, ok := parseAgo(now, strings.ToLower(s)); ok {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time: %s", text, timeHint)
}

// parseInstant parses a time that is not relative to the time of day.
func parseInstant(now time.Time, s string) (time.Time, bool) {
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, true
		}
	}
	word, clock, _ := strings.Cut(s, " ")
	days := map[string]int{"today": 0, "yesterday": -1}
	offset, ok := days[strings.ToLower(word)]
	if !ok {
		return time.Time{}, false
	}
	at := time.Time{}
	if clock != "" {
		var err error
		if at, err = time.Parse("15:04", clock); err != nil {
			if at, err = time.Parse(time.TimeOnly, clock); err != nil {
				return time.Time{}, false
			}
		}
	}
	y, m, d := now.Date()
	return time.Date(y, m, d+offset, at.Hour(), at.Minute(), at.Second(), 0, now.Location()), true
}

// parseAgo parses a duration before now. Days and longer units are those of the calendar, so that
// "1 day ago" is the same time of the day before.
func parseAgo(now time.Time, s string) (time.Time, bool) {
	if s == "now" {
		return now, true
	}
	s, ago := strings.CutSuffix(s, " ago")
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), true
	}
	count, unit, words := strings.Cut(s, " ")
	if !words {
		digits := strings.TrimLeft(s, "0123456789")
		count, unit = s[:len(s)-len(digits)], digits
	} else if !ago {
		return time.Time{}, false
	}
	n, err := strconv.ParseUint(count, 10, 20)
	if words && (count == "a" || count == "an") {
		n, err = 1, nil
	}
	if err != nil {
		return time.Time{}, false
	}
	return before(now, int(n), unit)
}

// before returns the time n units before now.
func before(now time.Time, n int, unit string) (time.Time, bool) {
	if len(unit) > 1 {
		unit = strings.TrimSuffix(unit, "s")
	}
	switch unit {
	case "s", "sec", "second":
		return now.Add(-time.Duration(n) * time.Second), true
	case "m", "min", "minute":
		return now.Add(-time.Duration(n) * time.Minute), true
	case "h", "hour":
		return now.Add(-time.Duration(n) * time.Hour), true
	case "d", "day":
		return now.AddDate(0, 0, -n), true
	case "w", "week":
		return now.AddDate(0, 0, -7*n), true
	case "month":
		return now.AddDate(0, -n, 0), true
	case "y", "year":
		return now.AddDate(-n, 0, 0), true
	}
	return time.Time{}, false
}
