package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// span is a pflag.Value, a length of time in the units of people: 90s, 10m, 2h, 3d, 1w.
// Unlike in specifications, where it is a month, m is a minute.
type span time.Duration

var errSpan = errors.New("must be a number and one of s, m (minutes), h, d and w, as 10m or 3d")

func (s *span) String() string {
	d := time.Duration(*s)
	if d > 0 && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return d.String()
}

func (s *span) Type() string { return "DURATION" }

func (s *span) Set(text string) error {
	d, err := time.ParseDuration(text)
	if n := len(text) - 1; err != nil && n > 0 && (text[n] == 'd' || text[n] == 'w') {
		unit := 24 * time.Hour
		if text[n] == 'w' {
			unit *= 7
		}
		var days uint64
		if days, err = strconv.ParseUint(text[:n], 10, 15); err == nil {
			d = time.Duration(days) * unit
		}
	}
	if err != nil || d <= 0 {
		return errSpan
	}
	*s = span(d)
	return nil
}

// moment is a pflag.Value, a time in the past: a span before now, a day, or a time as
// in RFC 3339. The zero Time is none.
type moment struct {
	time.Time
	text string
}

func (m *moment) String() string { return m.text }

func (m *moment) Type() string { return "TIME" }

func (m *moment) Set(text string) error {
	var s span
	m.text = text
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			m.Time = t
			return nil
		}
	}
	if err := s.Set(text); err != nil {
		return fmt.Errorf("%w, or a time as 2026-11-29T14:00:00Z (UTC)", err)
	}
	m.Time = time.Now().Add(-time.Duration(s))
	return nil
}
