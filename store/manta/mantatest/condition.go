package mantatest

import (
	"net/http"
	"regexp"
	"strings"
	"time"
)

var (
	// listComma separates the ETags in a list.
	listComma = regexp.MustCompile(`\s*,\s*`)
	// quotedWord matches the only kind of quoted ETag whose quotes are removed. A UUID does
	// not match, since it contains hyphens.
	quotedWord = regexp.MustCompile(`^"([A-Za-z0-9_]*)"$`)
)

// header returns a request header as Node presents it: repeated headers are joined.
func header(r *http.Request, name string) string {
	return strings.Join(r.Header.Values(name), ", ")
}

// etagMatches reports whether list contains etag, which is "" for an absent object.
func etagMatches(list, etag string) bool {
	for _, c := range listComma.Split(list, -1) {
		c = quotedWord.ReplaceAllString(strings.TrimPrefix(c, "W/"), "$1")
		if c == "*" || c == etag {
			return true
		}
	}
	return false
}

// headerDate returns the date in a header. An invalid date counts as absent.
func headerDate(r *http.Request, name string) (time.Time, bool) {
	return parseDate(r.Header.Get(name))
}

// parseDate parses a date in GMT or, since triton-go writes it, in UTC.
func parseDate(s string) (time.Time, bool) {
	for _, zone := range []string{"GMT", "UTC"} {
		if t, err := time.Parse("Mon, 02 Jan 2006 15:04:05 "+zone, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// checkConditions checks the four conditional headers against the object rec, which is nil if the
// object does not exist. An empty header is not a condition.
func checkConditions(r *http.Request, rec *record) error {
	reading := r.Method == http.MethodGet || r.Method == http.MethodHead
	failed := func(format string, args ...any) error {
		return apiErrorf(http.StatusPreconditionFailed, "PreconditionFailed", format, args...)
	}
	etag := etagOf(rec)
	if m := header(r, "If-Match"); m != "" && !etagMatches(m, etag) {
		return failed("if-match '%s' didn't match etag '%s'", m, etag)
	}
	if m := header(r, "If-None-Match"); m != "" && etagMatches(m, etag) {
		if reading {
			return errNotModified
		}
		return failed("if-none-match '%s' matched etag '%s'", m, etag)
	}
	if rec == nil {
		return nil
	}
	modified := rec.lastModified()
	if d, ok := headerDate(r, "If-Modified-Since"); ok && !modified.After(d) {
		if reading {
			return errNotModified
		}
		return failed("object was modified at '%s'; if-modified-since '%s'", modified, d)
	}
	if d, ok := headerDate(r, "If-Unmodified-Since"); ok && modified.After(d) {
		return failed("object was modified at '%s'; if-unmodified-since '%s'", modified, d)
	}
	return nil
}

// commitBase returns the version that must still be current when a write commits. It is nil if
// the request has no conditions; then the version is not checked again.
func commitBase(r *http.Request, rec *record) *string {
	if header(r, "If-Match") == "" && header(r, "If-None-Match") == "" {
		return nil
	}
	etag := etagOf(rec)
	return &etag
}
