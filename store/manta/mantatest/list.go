package mantatest

import (
	"encoding/json"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"time"
)

const (
	defaultLimit = 256
	maxLimit     = 1024
	listingTime  = "2006-01-02T15:04:05.000Z"
	rootTime     = "2013-05-22T17:39:43.714Z" // modification time of the roots in an account's listing
)

// listLine is one entry of a listing.
type listLine struct {
	Name        string `json:"name"`
	ETag        string `json:"etag,omitempty"`
	Size        *int64 `json:"size,omitempty"`
	Type        string `json:"type"`
	ContentType string `json:"contentType,omitempty"`
	Disposition string `json:"contentDisposition,omitempty"`
	MD5         string `json:"contentMD5,omitempty"`
	MTime       string `json:"mtime"`
	Durability  *int   `json:"durability,omitempty"`
}

func newLine(rec *record) listLine {
	l := listLine{Name: rec.Name, Type: "directory", MTime: rec.MTime.Format(listingTime)}
	if rec.Dir {
		return l
	}
	l.Type, l.ETag, l.Size = "object", rec.ETag, &rec.Size
	l.ContentType, l.MD5 = rec.ContentType, rec.MD5
	copies := rec.copies()
	l.Durability = &copies
	l.Disposition = rec.Headers["content-disposition"]
	return l
}

// query holds the parameters of a listing.
type query struct {
	limit   int
	marker  string
	byTime  bool
	reverse bool
}

func parseQuery(r *http.Request) (query, error) {
	v := r.URL.Query()
	q := query{limit: defaultLimit, marker: v.Get("marker"), reverse: v.Get("sort_order") == "reverse"}
	if v.Get("sort") == "none" || v.Get("skip_owner_check") == "true" {
		return q, apiErrorf(http.StatusForbidden, "QueryParameterForbidden", "query parameter for operators only")
	}
	q.byTime = v.Get("sort") == "mtime"
	if l := v.Get("limit"); l != "" {
		n, err := strconv.Atoi(l)
		if err != nil {
			n = 0 // like NaN: no rows
		} else if n < 1 || n > maxLimit {
			return q, apiErrorf(http.StatusBadRequest, "InvalidArgumentError", "limit must be between 1 and %d", maxLimit)
		}
		q.limit = n
	}
	if q.byTime && q.marker != "" {
		if _, err := time.Parse(time.RFC3339, q.marker); err != nil {
			return q, apiErrorf(http.StatusBadRequest, "InvalidParameter", "marker is not a date")
		}
	}
	return q, nil
}

// pick returns the part of sorted selected by q, in the order of q.
func (q query) pick(sorted []string) []string {
	if !q.reverse {
		from := sort.SearchStrings(sorted, q.marker)
		return sorted[from:min(from+q.limit, len(sorted))]
	}
	to := len(sorted)
	if q.marker != "" {
		to = sort.Search(len(sorted), func(i int) bool { return sorted[i] > q.marker })
	}
	part := slices.Clone(sorted[max(to-q.limit, 0):to])
	slices.Reverse(part)
	return part
}

// list serves GET and HEAD of a directory.
func (s *Server) list(w http.ResponseWriter, r *http.Request, p path, rec *record) error {
	h := w.Header()
	setVersion(h, rec)
	q, err := parseQuery(r)
	if err != nil {
		return err
	}
	total, recs, err := s.tree.list(p, q, r.Method == http.MethodHead)
	if err != nil {
		return err
	}
	h.Set("Content-Type", listingType)
	h.Set("Result-Set-Size", strconv.Itoa(total))
	setUser(h, rec)
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	return sendLines(w, recs)
}

// sendLines sends a listing in chunked encoding.
func sendLines(w http.ResponseWriter, recs []*record) error {
	_ = http.NewResponseController(w).Flush()
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, rec := range recs {
		if err := enc.Encode(newLine(rec)); err != nil {
			return abort(err)
		}
	}
	return nil
}

// list returns the number of entries that Manta reports for the directory p, and the records of
// the entries selected by q.
func (t *tree) list(p path, q query, countOnly bool) (total int, recs []*record, err error) {
	hidden := t.hasHiddenRow(p)
	pick := q.pick
	switch {
	case countOnly:
		pick = func([]string) []string { return nil }
	case q.byTime:
		pick = func(sorted []string) []string { return sorted }
	case hidden:
		pick = func(sorted []string) []string { return q.pick(withRow(sorted, hiddenRow)) }
	}
	total, part, err := t.page(t.disk(p), pick)
	if err != nil {
		return 0, nil, err
	}
	if hidden {
		total++
		if i := slices.Index(part, hiddenRow); i >= 0 && !q.byTime {
			part = slices.Delete(part, i, i+1)
		}
	}
	if q.byTime {
		return total, t.newest(p, q, part), nil
	}
	return total, t.records(p, part), nil
}

// newest returns the records of names in p selected by q, ordered by time. It reads all records
// but holds only a few at a time.
func (t *tree) newest(p path, q query, names []string) []*record {
	var best []*record
	for some := range slices.Chunk(names, 4*maxLimit) {
		best = q.sortByTime(append(best, t.records(p, some)...))
	}
	return best
}

// hiddenRow is the name of a record that Manta counts among the entries of /ACCOUNT/stor and
// gives a place on a page, but does not list: stor itself, once it has been created.
const hiddenRow = "stor"

func (t *tree) hasHiddenRow(p path) bool {
	return p.isRoot() && p[1] == hiddenRow && t.readRecord(t.disk(p)) != nil
}

// withRow returns a copy of sorted with one more name.
func withRow(sorted []string, name string) []string {
	i, _ := slices.BinarySearch(sorted, name)
	return slices.Insert(slices.Clone(sorted), i, name)
}

// records returns the records of those names in p that still exist.
func (t *tree) records(p path, part []string) []*record {
	recs := make([]*record, 0, len(part))
	for _, name := range part {
		child := append(p[:len(p):len(p)], name)
		if rec, err := t.lookup(child); err == nil && rec != nil {
			recs = append(recs, rec)
		}
	}
	return recs
}

// sortByTime sorts recs, newest first, and truncates them to the limit of q.
func (q query) sortByTime(recs []*record) []*record {
	slices.SortStableFunc(recs, func(a, b *record) int {
		c := b.MTime.Compare(a.MTime)
		if q.reverse {
			return -c
		}
		return c
	})
	if q.marker != "" {
		at, _ := time.Parse(time.RFC3339, q.marker)
		recs = slices.DeleteFunc(recs, func(r *record) bool {
			return !q.reverse && r.MTime.After(at) || q.reverse && r.MTime.Before(at)
		})
	}
	return recs[:min(q.limit, len(recs))]
}

// listAccount lists the roots. Only in this listing is the marker exclusive.
func (s *Server) listAccount(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r)
	if err != nil {
		return err
	}
	at, _ := time.Parse(listingTime, rootTime)
	var recs []*record
	for _, name := range s.roots {
		if (q.marker == "" || name > q.marker) && len(recs) < q.limit {
			recs = append(recs, &record{Name: name, Dir: true, MTime: at})
		}
	}
	w.Header().Set("Content-Type", listingType)
	w.Header().Set("Result-Set-Size", strconv.Itoa(len(s.roots)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	return sendLines(w, recs)
}
