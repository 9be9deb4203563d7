package mantatest

import (
	"compress/gzip"
	"net/http"
	"strings"
)

// compress wraps w if production would compress the response: the length is removed, and the
// other headers still describe the uncompressed object.
func (s *Server) compress(w http.ResponseWriter, r *http.Request) (_ http.ResponseWriter, done func()) {
	if !s.gzip || !acceptsGzip(header(r, "Accept-Encoding")) {
		return w, func() {}
	}
	z := &gzipAnswer{ResponseWriter: w, head: r.Method == http.MethodHead}
	return z, z.close
}

// acceptsGzip reports whether an Accept-Encoding header allows gzip.
func acceptsGzip(h string) bool {
	for e := range strings.SplitSeq(h, ",") {
		name, q, _ := strings.Cut(e, ";")
		name = strings.TrimSpace(name)
		if name == "gzip" || name == "*" {
			q = strings.ReplaceAll(q, " ", "")
			return q != "q=0" && q != "q=0.0"
		}
	}
	return false
}

type gzipAnswer struct {
	http.ResponseWriter
	head bool
	z    *gzip.Writer // nil if the response has no body
}

func (g *gzipAnswer) Unwrap() http.ResponseWriter { return g.ResponseWriter }

func (g *gzipAnswer) WriteHeader(status int) {
	if status != http.StatusNoContent && status != http.StatusNotModified {
		g.Header().Del("Content-Length")
		g.Header().Set("Content-Encoding", "gzip")
		if !g.head {
			g.z = gzip.NewWriter(g.ResponseWriter)
		}
	}
	g.ResponseWriter.WriteHeader(status)
	if g.z != nil {
		_ = http.NewResponseController(g.ResponseWriter).Flush() // chunked, however short
	}
}

func (g *gzipAnswer) Write(p []byte) (int, error) {
	if g.z == nil {
		return g.ResponseWriter.Write(p)
	}
	return g.z.Write(p)
}

func (g *gzipAnswer) close() {
	if g.z != nil {
		_ = g.z.Close() // the client has disconnected
	}
}
