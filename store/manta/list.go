package manta

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"thothfs/store"
)

const (
	pageSize = 1024 // Manta's maximum
	// maxShort is the maximum number of consecutive empty pages although more entries exist.
	maxShort = 3
	// maxLine is the maximum length of a line of a listing: a name, a type and a disposition,
	// each of which came from a header or a URL.
	maxLine = 128 << 10
)

// List implements store.Store. It reads a whole page before it yields the page's first entry, so
// that a slow caller does not hold a connection.
func (s *Store) List(ctx context.Context, dir, from string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if err := checkKey("list", dir); err != nil {
			yield(store.Entry{}, err)
			return
		}
		l := lister{s: s, path: s.path(dir), from: from, last: from}
		for !l.done {
			entries, err := l.next(ctx)
			if err != nil {
				yield(store.Entry{}, failed(ctx, "list", dir, err))
				return
			}
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// lister is the state of one listing.
//
// If a listing fails midway, Manta still ends it cleanly. Pages can also be short for other
// reasons, and entries are added and removed meanwhile. So a short page does not mean the end of
// the directory. The end is reached if the first page has all entries of the directory, or if the
// directory, listed in reverse, has no name greater than the last one received.
type lister struct {
	s     *Store
	path  string
	from  string // first name requested by the caller
	last  string // last name received, initially from
	count int    // number of entries received
	pages int
	short int // number of consecutive empty pages although more entries exist
	done  bool
}

// next returns the new entries of the next page.
func (l *lister) next(ctx context.Context) ([]store.Entry, error) {
	p, err := l.s.page(ctx, l.path, url.Values{"marker": {l.last}, "limit": {strconv.Itoa(pageSize)}})
	if err != nil {
		return nil, err
	}
	l.pages++
	full := len(p.entries) == pageSize
	fresh, err := l.fresh(p.entries)
	if err != nil {
		return nil, err
	}
	if l.pages == 1 && l.from == "" && !full && l.count >= p.total {
		l.done = true
		return fresh, nil
	}
	if full && len(fresh) > 0 {
		return fresh, nil
	}
	return fresh, l.lookAhead(ctx, len(fresh) > 0)
}

// fresh drops entries that a previous page contained, and checks that the rest are in order.
func (l *lister) fresh(entries []store.Entry) ([]store.Entry, error) {
	// The marker is inclusive.
	if len(entries) > 0 && l.count > 0 && entries[0].Name == l.last {
		entries = entries[1:]
	}
	for _, e := range entries {
		if e.Name < l.last || l.count > 0 && e.Name == l.last {
			return nil, corrupt("the listing has %.60q behind %.60q", e.Name, l.last)
		}
		l.last = e.Name
		l.count++
	}
	return entries, nil
}

// lookAhead determines whether more entries follow a page that was not full.
func (l *lister) lookAhead(ctx context.Context, progress bool) error {
	// Request two entries, because one may be a record that is not listed.
	p, err := l.s.page(ctx, l.path, url.Values{"sort_order": {"reverse"}, "limit": {"2"}})
	if err != nil {
		return err
	}
	if l.done = !l.isMore(p); l.done || progress {
		l.short = 0
		return nil
	}
	if l.short++; l.short >= maxShort {
		return &badAnswer{kind: store.ErrUnavailable, text: fmt.Sprintf("the listing ended after %d of %d entries", l.count, p.total)}
	}
	return nil
}

// isMore reports whether p, a page listed in reverse, shows that names are missing.
func (l *lister) isMore(p page) bool {
	if len(p.entries) == 0 {
		// /ACCOUNT/stor counts itself.
		return p.total > 1 || p.total == 1 && strings.Count(l.path, "/") > 2
	}
	if l.count == 0 {
		return p.entries[0].Name >= l.from
	}
	return p.entries[0].Name > l.last
}

// page is one page of a listing.
type page struct {
	entries []store.Entry
	total   int // number of entries in the directory, as counted by Manta
}

// page requests one page of the directory at path.
func (s *Store) page(ctx context.Context, path string, query url.Values) (page, error) {
	if query.Get("marker") == "" {
		query.Del("marker")
	}
	resp, err := s.do(ctx, apiRequest{method: http.MethodGet, path: path, query: query})
	if err != nil {
		return page{}, err
	}
	defer resp.body.Close()
	if !isDirectory(resp.header) {
		if resp.header.Get("Etag") != "" {
			return page{}, errObject
		}
		return page{}, corrupt("status %d is no listing of Manta's", resp.status)
	}
	total, err := strconv.Atoi(resp.header.Get("Result-Set-Size"))
	if err != nil || total < 0 {
		return page{}, corrupt("the listing has a size of %.40q", resp.header.Get("Result-Set-Size"))
	}
	entries, err := readEntries(resp.body)
	return page{entries: entries, total: total}, err
}

// readEntries reads the lines of a listing.
func readEntries(r io.Reader) ([]store.Entry, error) {
	var entries []store.Entry
	br := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := br.ReadSlice('\n') // valid until the next call
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, corrupt("the listing has a line of more than %d bytes", maxLine)
		}
		if err == io.EOF && len(line) == 0 {
			return entries, nil
		}
		if err == io.EOF {
			return nil, &badAnswer{kind: store.ErrUnavailable, text: "the listing ended within a line"}
		}
		if err != nil {
			return nil, err
		}
		e, err := parseEntry(line)
		if err != nil {
			return nil, err
		}
		if entries = append(entries, e); len(entries) > pageSize {
			return nil, corrupt("more than %d entries came", pageSize)
		}
	}
}

// parseEntry parses a line of a listing.
func parseEntry(line []byte) (store.Entry, error) {
	var l struct {
		Name, ETag, Type, MTime, Code, Message string
		ContentMD5                             string
		Size                                   int64
	}
	if err := json.Unmarshal(line, &l); err != nil || !utf8.Valid(line) {
		return store.Entry{}, corrupt("the listing has the line %.200q", line)
	}
	if l.Name == "" && l.Code != "" {
		return store.Entry{}, &badAnswer{kind: store.ErrUnavailable, text: printable(l.Code+": "+l.Message, 300)}
	}
	e := store.Entry{Name: l.Name, Attr: store.Attr{Dir: l.Type == "directory"}}
	if l.Name == "" || strings.ContainsAny(l.Name, "/\x00") || !e.Dir && (l.Type != "object" || l.ETag == "" || l.Size < 0) {
		return store.Entry{}, corrupt("the listing has the line %.200q", line)
	}
	if t, err := time.Parse(time.RFC3339, l.MTime); err == nil {
		e.ModTime = t.UTC().Truncate(time.Second) // same precision as Stat
	}
	if !e.Dir {
		e.ETag, e.Size, e.MD5 = l.ETag, l.Size, decodeMD5(l.ContentMD5)
	}
	return e, nil
}
