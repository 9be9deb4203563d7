package mantatest

import (
	"io"
	"net/http"
	"strconv"
)

// read serves GET and HEAD.
func (s *Server) read(w http.ResponseWriter, r *http.Request, p path, pl *plan) error {
	if len(p) == 1 {
		return s.listAccount(w, r)
	}
	rec, f, err := s.tree.open(p)
	if f != nil {
		defer f.Close()
	}
	if err != nil {
		return err
	}
	if rec == nil {
		return notFound(p)
	}
	if rec.Dir {
		return s.list(w, r, p, rec)
	}
	return s.readObject(w, r, rec, f, pl)
}

func (s *Server) readObject(w http.ResponseWriter, r *http.Request, rec *record, f io.ReadSeeker, pl *plan) error {
	setVersion(w.Header(), rec)
	if !acceptable(header(r, "Accept"), rec.ContentType) {
		return apiErrorf(http.StatusNotAcceptable, "NotAcceptable", "%s is not acceptable", rec.ContentType)
	}
	if err := checkConditions(r, rec); err != nil {
		return err
	}
	asked := header(r, "Range")
	if r.Method == http.MethodHead || rec.Size == 0 {
		asked = ""
	}
	part, err := parseRange(asked, rec.Size)
	if err != nil {
		return err
	}
	setObject(w.Header(), rec)
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	if asked != "" {
		w.Header().Set("Content-Type", octetStream) // set by the storage node, not taken from the object
		w.Header().Del("Content-MD5")
	} else if rec.Size > 0 {
		w.Header().Set("Accept-Ranges", "bytes")
	}
	if part == nil || pl.wholeBody {
		return send(w, rec, f)
	}
	return sendPart(w, rec, f, part)
}

// send responds with the whole object.
func send(w http.ResponseWriter, rec *record, f io.Reader) error {
	w.WriteHeader(http.StatusOK)
	_, err := io.CopyN(w, f, rec.Size)
	return abort(err)
}

// sendPart responds with a part of the object.
func sendPart(w http.ResponseWriter, rec *record, f io.ReadSeeker, part *byteRange) error {
	if _, err := f.Seek(part.start, io.SeekStart); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Range", part.contentRange(rec.Size))
	h.Set("Content-Length", strconv.FormatInt(part.length, 10))
	w.WriteHeader(http.StatusPartialContent)
	_, err := io.CopyN(w, f, part.length)
	return abort(err)
}

// abort closes the connection if a body could not be sent completely, since it is too late to
// send an error.
func abort(err error) error {
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// setVersion sets the headers of responses and errors that describe an existing object or
// directory. It does nothing if rec is nil.
func setVersion(h http.Header, rec *record) {
	if rec == nil || rec.virtual {
		return
	}
	if rec.ETag != "" {
		h.Set("Etag", rec.ETag)
	}
	h.Set("Last-Modified", rec.lastModified().Format(http.TimeFormat))
}

// setLoaded is like setVersion for the object at p. It ignores errors.
func (s *Server) setLoaded(h http.Header, p path) {
	if rec, err := s.tree.lookup(p); err == nil {
		setVersion(h, rec)
	}
}

// setObject sets the headers that describe an object.
func setObject(h http.Header, rec *record) {
	h.Set("Content-Type", rec.ContentType)
	h.Set("Content-Length", strconv.FormatInt(rec.Size, 10))
	if rec.MD5 != "" {
		h.Set("Content-MD5", rec.MD5)
	}
	h.Set("Durability-Level", strconv.Itoa(rec.copies()))
	setUser(h, rec)
}

// setUser sets the headers that were stored with an object or directory, under their original
// names.
func setUser(h http.Header, rec *record) {
	for name, value := range rec.Headers {
		h[name] = []string{value}
	}
}
