package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"thothfs/cache"
	"thothfs/cmd/thothfs/listing"
	"thothfs/query"
)

// byteSize is a pflag.Value for a number of bytes, such as 512MB or 20GiB.
type byteSize int64

func (b *byteSize) Type() string { return "SIZE" }

func (b *byteSize) String() string {
	if *b == 0 {
		return ""
	}
	return humanize.IBytes(uint64(*b))
}

func (b *byteSize) Set(s string) error {
	n, err := humanize.ParseBytes(s)
	if err != nil || n == 0 || n > 1<<62 {
		return errors.New("expected a size such as 512MB or 20GiB")
	}
	*b = byteSize(n)
	return nil
}

// completion is a pflag.Value that specifies when the rest of an open dump is fetched, and the
// share of the link's time for it in percent (0 means the cache's default).
type completion struct {
	when  cache.Completion
	share int
}

func (c *completion) Type() string { return "WHEN" }

func (c *completion) String() string {
	switch {
	case c.when == cache.CompleteNever:
		return "never"
	case c.share > 0:
		return fmt.Sprintf("%s=%d%%", c.when, c.share)
	}
	return string(c.when)
}

func (c *completion) Set(s string) error {
	when, share, hasShare := strings.Cut(s, "=")
	next := completion{when: cache.Completion(when)}
	switch {
	case hasShare && next.when == cache.CompleteIdle:
		n, err := strconv.Atoi(strings.TrimSuffix(share, "%"))
		if err != nil || n < 1 || n > 100 {
			return fmt.Errorf("idle=%s: expected a percentage from 1 to 100", share)
		}
		next.share = n
	case s == "never":
		next.when = cache.CompleteNever
	case next.when != cache.CompleteIdle && next.when != cache.CompleteAlways || hasShare:
		return errors.New("must be idle, idle=N%, always or never")
	}
	*c = next
	return nil
}

// duration is a pflag.Value such as 90s, 10m, 2h, 3d or 1w. Here m means minutes, but in
// specifications it means months.
type duration time.Duration

func (s *duration) Type() string { return "DURATION" }

func (s *duration) String() string {
	d := time.Duration(*s)
	if d > 0 && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return d.String()
}

func (s *duration) Set(text string) error {
	d, err := time.ParseDuration(text)
	if n := len(text) - 1; err != nil && n > 0 && (text[n] == 'd' || text[n] == 'w') {
		unit := 24 * time.Hour
		if text[n] == 'w' {
			unit *= 7
		}
		var units uint64
		units, err = strconv.ParseUint(text[:n], 10, 15)
		d = time.Duration(units) * unit
	}
	if err != nil || d <= 0 {
		return errors.New("must be a number and one of s, m (minutes), h, d and w, as 10m or 3d")
	}
	*s = duration(d)
	return nil
}

// moment is a pflag.Value for a time, as query.ParseTime reads it. The zero Time means that the flag was
// not given.
type moment struct {
	time.Time
	text string
}

func (m *moment) Type() string { return "TIME" }

func (m *moment) String() string { return m.text }

func (m *moment) Set(text string) (err error) {
	m.text = text
	m.Time, err = query.ParseTime(time.Now(), text)
	return err
}

// format is a pflag.Value for a format of output.
type format struct {
	listing.Format
	all []listing.Format
}

func (f *format) Type() string { return "FORMAT" }

func (f *format) String() string { return string(f.Format) }

func (f *format) Set(name string) error {
	f.Format = listing.Format(name)
	if slices.Contains(f.all, f.Format) {
		return nil
	}
	names := f.names()
	return fmt.Errorf("must be %s or %s", strings.Join(names[:len(names)-1], ", "), names[len(names)-1])
}

func (f *format) names() []string {
	names := make([]string, len(f.all))
	for i, known := range f.all {
		names[i] = string(known)
	}
	return names
}

// count is a pflag.Value for a number greater than 0. 0 means that the flag was not given.
type count int

func (c *count) Type() string { return "N" }

func (c *count) String() string {
	if *c == 0 {
		return ""
	}
	return strconv.Itoa(int(*c))
}

func (c *count) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n == 0 {
		return errors.New("must be a number greater than 0")
	}
	*c = count(n)
	return nil
}

// parseTime parses a day or a time in RFC 3339 format. Without a zone, the time is in UTC.
func parseTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
