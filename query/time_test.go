package query

import (
	"strings"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 30, 6, 40, 10, 5, zone)
	at := func(month, day, hour, minute, second int) time.Time {
		return time.Date(2026, time.Month(month), day, hour, minute, second, 0, zone)
	}
	for text, want := range map[string]time.Time{
		"now":                       now,
		"today":                     at(11, 30, 0, 0, 0),
		"Yesterday":                 at(11, 29, 0, 0, 0),
		"yesterday 14:30":           at(11, 29, 14, 30, 0),
		"today 05:00:01":            at(11, 30, 5, 0, 1),
		"2 hours ago":               now.Add(-2 * time.Hour),
		"1 hour ago":                now.Add(-time.Hour),
		"an hour ago":               now.Add(-time.Hour),
		"  3   days  ago ":          now.AddDate(0, 0, -3),
		"10 minutes ago":            now.Add(-10 * time.Minute),
		"2h ago":                    now.Add(-2 * time.Hour),
		"10m":                       now.Add(-10 * time.Minute),
		"1h30m":                     now.Add(-90 * time.Minute),
		"3d":                        now.AddDate(0, 0, -3),
		"2w":                        now.AddDate(0, 0, -14),
		"1 month ago":               now.AddDate(0, -1, 0),
		"2 years ago":               now.AddDate(-2, 0, 0),
		"90s":                       now.Add(-90 * time.Second),
		"2026-11-01":                at(11, 1, 0, 0, 0),
		"2026-11-01 15:04":          at(11, 1, 15, 4, 0),
		"2026-11-01 15:04:05":       at(11, 1, 15, 4, 5),
		"2026-11-01T15:04:05":       at(11, 1, 15, 4, 5),
		"2026-11-01T15:04:05Z":      time.Date(2026, 11, 1, 15, 4, 5, 0, time.UTC),
		"2026-11-01T15:04:05.5Z":    time.Date(2026, 11, 1, 15, 4, 5, 5e8, time.UTC),
		"2026-11-01T15:04:05+02:00": time.Date(2026, 11, 1, 13, 4, 5, 0, time.UTC),
	} {
		if got, err := ParseTime(now, text); err != nil || !got.Equal(want) {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
}

// TestParseTimeRefuses includes texts for which libraries return the current time, or the time in a
// part of the text.
func TestParseTimeRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", " ", "ago", "yesterdai", "2 hours ago or so", "31 foo ago", "3 dayz ago", "2026-13-01", "2026-11-31",
		"-2h", "2 hours", "h", "5", "a day", "99999999999d", "today 25:00", "yesterday noon", "2026-11-01 15", "x 2 hours ago"} {
		if got, err := ParseTime(time.Now(), text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		} else if !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "yesterday") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestParseTimeOfDay checks that days are those of the calendar when clocks are changed.
func TestParseTimeOfDay(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 10, 25, 12, 0, 0, 0, zone) // a day of 25 hours
	for text, want := range map[string]time.Time{
		"1 day ago":  time.Date(2026, 10, 24, 12, 0, 0, 0, zone),
		"today":      time.Date(2026, 10, 25, 0, 0, 0, 0, zone),
		"yesterday":  time.Date(2026, 10, 24, 0, 0, 0, 0, zone),
		"24h":        now.Add(-24 * time.Hour),
		"2026-10-26": time.Date(2026, 10, 26, 0, 0, 0, 0, zone),
	} {
		if got, err := ParseTime(now, text); err != nil || !got.Equal(want) {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2 hours ago", "yesterday 14:00", "2026-11-01 15:04", "1h30m", "999999y"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 30, 6, 40, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTime(now, s)
		if err != nil {
			return
		}
		if again, err := ParseTime(now, got.Format(time.RFC3339Nano)); got.Year() > 0 && got.Year() < 10000 && (err != nil || !again.Equal(got)) {
			t.Errorf("%q: %v is read as %v, %v", s, got, again, err)
		}
	})
}
