package mantatest

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// On selects the requests to which a fault applies.
type On struct {
	Method string // "" means any
	Path   string // suffix of the decoded path; "" means any
	Nth    int    // first matching request, counted from 1; 0 means 1
	Times  int    // number of requests starting with the first; 0 means all
	// Match, if not nil, further restricts the selected requests; see [Share]. It must be
	// safe for concurrent use.
	Match func(*http.Request) bool
}

// Share returns a function for [On.Match] that selects requests at random with probability p.
// Share(0.5) together with [StallAt] simulates the failure of one of two storage nodes during a
// response.
func Share(p float64) func(*http.Request) bool {
	return func(*http.Request) bool { return rand.Float64() < p }
}

// Action is one effect of a fault.
type Action func(*plan)

// plan holds the effects of all faults on one request.
type plan struct {
	before      []func()
	answer      http.HandlerFunc
	reset       bool
	outcomeLost bool
	wholeBody   bool
	header      map[string]string
	after       []func()

	// Effects on the body, at a byte offset; -1 means none.
	cutAt, stallAt, garbleAt int64
	release                  <-chan struct{}
	lines                    int // end the response cleanly after this many writes; -1 means no
}

func newPlan() *plan { return &plan{cutAt: -1, stallAt: -1, garbleAt: -1, lines: -1} }

// plainBody reports whether the body is sent unchanged.
func (p *plan) plainBody() bool {
	return p.cutAt < 0 && p.stallAt < 0 && p.garbleAt < 0 && p.lines < 0
}

// Answer responds with status, header and body instead of serving the request. X-Request-Id and
// Server are set as usual.
func Answer(status int, header map[string]string, body string) Action {
	return func(p *plan) {
		p.answer = func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range header {
				w.Header().Set(k, v)
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
}

// AnswerError responds with a Manta error instead of serving the request.
func AnswerError(status int, code, message string) Action {
	return func(p *plan) {
		p.answer = func(w http.ResponseWriter, r *http.Request) {
			sendError(w, r.Method != http.MethodHead, apiErrorf(status, code, "%s", message))
		}
	}
}

// AnswerWith responds with f instead of serving the request.
func AnswerWith(f http.HandlerFunc) Action { return func(p *plan) { p.answer = f } }

// Reset resets the connection before the request is served.
func Reset() Action { return func(p *plan) { p.reset = true } }

// ApplyThenCut serves the request and then closes the connection without a response, so that the
// client does not know the outcome.
func ApplyThenCut() Action { return func(p *plan) { p.outcomeLost = true } }

// CutAt closes the connection after k bytes of the response body.
func CutAt(k int64) Action { return func(p *plan) { p.cutAt = k } }

// StallAt stalls after k bytes of the response body, with the connection open, until release is
// closed or the client disconnects. Manta does this when a storage node fails during a response.
func StallAt(k int64, release <-chan struct{}) Action {
	return func(p *plan) { p.stallAt, p.release = k, release }
}

// GarbleAt inverts all bytes of the response body starting at offset k.
func GarbleAt(k int64) Action { return func(p *plan) { p.garbleAt = k } }

// EndAfterLines ends a listing cleanly after n entries. Manta does so when its metadata tier
// fails midway.
func EndAfterLines(n int) Action { return func(p *plan) { p.lines = n } }

// WholeForRange responds to a range request with 200 and the whole object.
func WholeForRange() Action { return func(p *plan) { p.wholeBody = true } }

// WithHeader replaces a header of the response; an empty value removes it.
func WithHeader(name, value string) Action {
	return func(p *plan) {
		if p.header == nil {
			p.header = map[string]string{}
		}
		p.header[name] = value
	}
}

// Before calls f before the request is served.
func Before(f func()) Action { return func(p *plan) { p.before = append(p.before, f) } }

// After calls f after the request was served.
func After(f func()) Action { return func(p *plan) { p.after = append(p.after, f) } }

// fault is an active fault.
type fault struct {
	on      On
	actions []Action
	seen    int
}

type faults struct {
	mu     sync.Mutex // guards the faults and their counts
	orders []*fault
}

// Fault applies all actions in do to the requests selected by on, in addition to the actions of
// any other fault that selects them. remove removes the fault.
func (s *Server) Fault(on On, do ...Action) (remove func()) {
	f := &fault{on: on, actions: do}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.orders = append(s.faults.orders, f)
	return func() { s.faults.remove(f) }
}

// ClearFaults removes all faults.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.orders = nil
}

func (fs *faults) remove(f *fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.orders = slices.DeleteFunc(fs.orders, func(o *fault) bool { return o == f })
}

// plan counts the request and returns the effects of the faults on it.
func (fs *faults) plan(r *http.Request) *plan {
	p := newPlan()
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.orders {
		if f.meets(r) {
			for _, a := range f.actions {
				a(p)
			}
		}
	}
	return p
}

// meets counts a request and reports whether the fault applies to it. The caller must hold the
// mutex of the faults.
func (f *fault) meets(r *http.Request) bool {
	if f.on.Method != "" && f.on.Method != r.Method || !strings.HasSuffix(r.URL.Path, f.on.Path) {
		return false
	}
	if f.on.Match != nil && !f.on.Match(r) {
		return false
	}
	f.seen++
	first := max(f.on.Nth, 1)
	return f.seen >= first && (f.on.Times == 0 || f.seen < first+f.on.Times)
}
