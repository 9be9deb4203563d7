package mantatest

import (
	"net/http"
	"time"

	"thothfs/internal/withctx"
)

// Shape returns h connected through the line of s: its requests are delayed by the latency, its
// responses share the bandwidth with those of s, and both are counted. It is for benchmarks that
// compare another kind of server with s.
func (s *Server) Shape(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.counts.request(r.Method)
		if withctx.Sleep(r.Context(), time.Duration(s.latency.Load())) != nil {
			panic(http.ErrAbortHandler)
		}
		h.ServeHTTP(&answer{ResponseWriter: w, s: s, r: r, plan: newPlan(), began: time.Now(), line: sender{line: &s.down}}, r)
	})
}
