package mantatest

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"thothfs/internal/withctx"
)

// ServeHTTP serves one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.trace != nil {
		s.trace(r)
	}
	s.counts.request(r.Method)
	if withctx.Sleep(r.Context(), time.Duration(s.latency.Load())) != nil {
		panic(http.ErrAbortHandler)
	}
	p, perr := s.parsePath(r.URL.EscapedPath())
	pl := s.faults.plan(r)
	for _, f := range pl.before {
		f()
	}
	if pl.reset {
		hangUp(w, true)
	}
	a := &answer{ResponseWriter: w, s: s, r: r, plan: pl, began: time.Now(), line: sender{line: &s.down}}
	s.standardHeaders(a.Header(), r)
	s.serve(a, r, p, perr)
	if pl.outcomeLost {
		hangUp(w, false)
	}
	for _, f := range pl.after {
		f()
	}
}

// serve responds with a fault or with the object.
func (s *Server) serve(a *answer, r *http.Request, p path, err error) {
	if a.plan.answer != nil {
		a.plan.answer(a, r)
		return
	}
	w, done := s.compress(a, r)
	defer done()
	if err == nil && len(p) == 0 {
		redirect(w)
		return
	}
	if err == nil {
		err = s.route(w, r, p, a.plan)
	}
	if err != nil {
		sendError(w, r.Method != http.MethodHead, err)
	}
}

// route authenticates the caller and serves the request.
func (s *Server) route(w http.ResponseWriter, r *http.Request, p path, pl *plan) error {
	if err := s.checkAge(r); err != nil {
		return err
	}
	who, err := s.authenticate(r)
	if err != nil {
		return err
	}
	if !s.hasAccount(p[0]) {
		return apiErrorf(http.StatusForbidden, "AccountDoesNotExist", "%s does not exist", p[0])
	}
	if err := s.authorize(who, r, p); err != nil {
		s.setLoaded(w.Header(), p)
		return err
	}
	if r.Method != http.MethodPut && !versionAccepted(r.Header.Get("Accept-Version")) {
		return apiErrorf(http.StatusBadRequest, "InvalidVersion", "%s is not supported by %s %s", r.Header.Get("Accept-Version"), r.Method, p)
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return s.read(w, r, p, pl)
	case http.MethodPut:
		return s.put(w, r, p)
	case http.MethodDelete:
		return s.remove(w, r, p)
	case http.MethodOptions:
		return s.options(w, p)
	}
	return apiErrorf(http.StatusMethodNotAllowed, "MethodNotAllowed", "%s is not allowed", r.Method).
		with("Allow", "PUT, OPTIONS, GET, HEAD, DELETE")
}

// redirect responds to a request for "/".
func redirect(w http.ResponseWriter) {
	w.Header().Set("Location", "http://apidocs.tritondatacenter.com/manta/")
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusFound)
}

// options responds to a browser's OPTIONS request.
func (s *Server) options(w http.ResponseWriter, p path) error {
	rec, err := s.tree.lookup(p)
	if err != nil {
		return err
	}
	if rec == nil {
		return notFound(p)
	}
	setVersion(w.Header(), rec)
	w.WriteHeader(http.StatusOK)
	return nil
}

// standardHeaders sets the headers that every response has.
func (s *Server) standardHeaders(h http.Header, r *http.Request) {
	h.Set("Server", "Manta/2")
	h.Set("Date", s.clock().UTC().Format(http.TimeFormat))
	h.Set("X-Request-Id", newUUID())
	h.Set("X-Server-Name", "mantatest")
	if strings.HasPrefix(r.UserAgent(), "curl/") {
		h.Set("Connection", "close")
	}
}

// responseTime returns the duration of the request in milliseconds, for a header.
func responseTime(began time.Time) string {
	return strconv.FormatInt(time.Since(began).Milliseconds(), 10)
}
