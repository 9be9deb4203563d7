package manta

import (
	"fmt"
	"net/http"
)

// byteSpan is a range of bytes with both ends included, as in HTTP.
type byteSpan struct{ first, last int64 }

func (s byteSpan) String() string { return fmt.Sprintf("bytes=%d-%d", s.first, s.last) }

// parseSpan parses a Range header written by span.
func parseSpan(h string) (s byteSpan, err error) {
	_, err = fmt.Sscanf(h, "bytes=%d-%d", &s.first, &s.last)
	return s, err
}

// parseContentRange parses a Content-Range header. If the requested range is beyond the end of
// the object, only the size is returned.
func parseContentRange(h string) (s byteSpan, size int64, ok bool) {
	if n, err := fmt.Sscanf(h, "bytes %d-%d/%d", &s.first, &s.last, &size); err == nil && n == 3 {
		return s, size, h == fmt.Sprintf("bytes %d-%d/%d", s.first, s.last, size)
	}
	if n, err := fmt.Sscanf(h, "bytes */%d", &size); err == nil && n == 1 {
		return byteSpan{}, size, true
	}
	return s, 0, false
}

// checkRange checks the response to a range request with If-Match. A 200 is correct for an empty
// object, and for a directory, which does not support ranges.
func checkRange(req *http.Request, resp *http.Response) error {
	if isDirectory(resp.Header) {
		return errDirectory
	}
	if want, got := req.Header.Get("If-Match"), resp.Header.Get("Etag"); got != want {
		return corrupt("the answer is of version %.60q instead of %.60q", got, want)
	}
	if resp.StatusCode == http.StatusOK && resp.ContentLength == 0 {
		return nil
	}
	if resp.StatusCode != http.StatusPartialContent {
		return corrupt("status %d in answer to a range", resp.StatusCode)
	}
	asked, err := parseSpan(req.Header.Get("Range"))
	if err != nil {
		return err
	}
	h := resp.Header.Get("Content-Range")
	got, size, ok := parseContentRange(h)
	if !ok || got.first != asked.first || got.last != min(asked.last, size-1) {
		return corrupt("answered %.60q when asked for %s", h, asked)
	}
	if n := got.last - got.first + 1; resp.ContentLength >= 0 && resp.ContentLength != n {
		return corrupt("the answer has %d bytes instead of %d", resp.ContentLength, n)
	}
	return nil
}

// isDirectory reports whether a response describes a directory. The content type is not
// sufficient, since an object may have any type.
func isDirectory(h http.Header) bool {
	return h.Get("Etag") == "" && h.Get("Result-Set-Size") != ""
}
