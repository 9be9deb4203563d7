package mantatest

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"time"
)

// Options configures a Server.
type Options struct {
	Root      string        // directory that holds the accounts; created if it does not exist
	Latency   time.Duration // added to each request
	Bandwidth int64         // bytes per second for all connections together, in each direction; 0 means no limit
	Gzip      bool          // compress if the client accepts it, as production does
	// Multipart lists "uploads" among the roots of an account, like a server that supports
	// multipart uploads. This one does not.
	Multipart bool
	// UploadTimeout is the maximum time that an upload may stall; 0 means 45 s.
	UploadTimeout time.Duration
	// Clock returns the server's time; nil means time.Now.
	Clock func() time.Time
	// Trace, if not nil, is called with each request before it is served.
	Trace func(*http.Request)
}

// Server is a Manta server backed by a local directory. It is an http.Handler.
type Server struct {
	// URL is the address of a server started by Start.
	URL string

	tree          *tree
	gzip          bool
	roots         []string
	uploadTimeout time.Duration
	clock         func() time.Time
	trace         func(*http.Request)
	latency       atomic.Int64
	down, up      sharedLine
	counts        liveCounters
	faults        faults
	keys          keyring
}

// New returns a Server over o.Root. Without keys (see AddKey) it requires no authentication and
// allows everything.
func New(o Options) (*Server, error) {
	s := &Server{gzip: o.Gzip, roots: rootsOf(o.Multipart), uploadTimeout: o.UploadTimeout, clock: o.Clock, trace: o.Trace}
	if s.uploadTimeout == 0 {
		s.uploadTimeout = 45 * time.Second
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	root, err := filepath.Abs(o.Root)
	if err != nil {
		return nil, err
	}
	if s.tree, err = openTree(root, s.now); err != nil {
		return nil, err
	}
	s.SetLatency(o.Latency)
	s.SetBandwidth(o.Bandwidth)
	return s, nil
}

// TB is the part of *testing.T that Start uses.
type TB interface {
	Helper()
	Fatal(args ...any)
	Cleanup(func())
	TempDir() string
}

// Start runs a Server on the loopback interface until the test ends; its URL field is set. An
// empty o.Root means a new temporary directory.
func Start(t TB, o Options) *Server {
	t.Helper()
	if o.Root == "" {
		o.Root = t.TempDir()
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewUnstartedServer(s)
	h.Config = s.HTTPServer()
	h.Start()
	s.URL = h.URL
	t.Cleanup(func() {
		h.CloseClientConnections() // so that Close does not wait for a stalled response
		h.Close()
	})
	return s
}

// HTTPServer returns a net/http server for s that counts connections. It speaks only HTTP/1.1,
// like Manta's front end.
func (s *Server) HTTPServer() *http.Server {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return &http.Server{
		Handler:           s,
		Protocols:         p,
		ReadHeaderTimeout: time.Minute,
		IdleTimeout:       120 * time.Second,
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				s.counts.connection()
			}
		},
	}
}

// SetLatency sets the latency added to each request from now on.
func (s *Server) SetLatency(d time.Duration) { s.latency.Store(int64(d)) }

// SetBandwidth sets the bandwidth shared by all connections, in each direction, from now on; 0
// means no limit.
func (s *Server) SetBandwidth(bytesPerSecond int64) {
	s.down.set(bytesPerSecond)
	s.up.set(bytesPerSecond)
}

// now returns the server's time truncated to milliseconds, Manta's resolution.
func (s *Server) now() time.Time { return s.clock().UTC().Truncate(time.Millisecond) }
