package mantatest

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

var oneRange = regexp.MustCompile(`^bytes=\s*(\d*)-(\d*)\s*$`)

// byteRange is a part of an object: length bytes starting at start.
type byteRange struct{ start, length int64 }

// parseRange parses a Range header for an object of size bytes. It returns nil if Manta ignores
// the header and sends the whole object.
func parseRange(h string, size int64) (*byteRange, error) {
	if h == "" || size == 0 {
		return nil, nil
	}
	if strings.Contains(h, ",") {
		return nil, apiErrorf(http.StatusNotImplemented, "NotImplemented", "multi-range requests not supported")
	}
	if !strings.HasPrefix(h, "bytes=") {
		return nil, nil
	}
	m := oneRange.FindStringSubmatch(h)
	if m == nil || m[1] == "" && m[2] == "" {
		return nil, unsatisfiable(size)
	}
	start, end, ok := bounds(m[1], m[2], size)
	if !ok || start >= size || start > end {
		return nil, unsatisfiable(size)
	}
	return &byteRange{start: start, length: end - start + 1}, nil
}

// bounds returns the first and last byte offsets of the range "first-last".
func bounds(first, last string, size int64) (start, end int64, ok bool) {
	end = size - 1
	if first == "" {
		n, err := strconv.ParseInt(last, 10, 64)
		return max(size-n, 0), end, err == nil
	}
	start, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return 0, 0, false
	}
	if last != "" {
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil {
			return 0, 0, false
		}
		end = min(end, n)
		if n < start {
			return 0, 0, false
		}
	}
	return start, end, true
}

func unsatisfiable(size int64) error {
	return apiErrorf(http.StatusRequestedRangeNotSatisfiable, "RangeNotSatisfiable", "").
		with("Content-Range", fmt.Sprintf("bytes */%d", size))
}

// contentRange returns the Content-Range header for the part b of an object of size bytes.
func (b *byteRange) contentRange(size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", b.start, b.start+b.length-1, size)
}
