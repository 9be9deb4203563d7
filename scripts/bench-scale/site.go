package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"thothfs/store/manta/mantatest"
)

// site is the store, a Manta behind a link.
type site struct {
	*mantatest.Server
	latency   time.Duration
	bandwidth int64
	root      string
	watch     *watch

	servers []*http.Server
	ended   []chan error // receives the result of each server
}

// openSite serves the files below root, at the addresses created later, until it is closed.
func openSite(root string, latency time.Duration, bandwidth int64) (*site, error) {
	w := &watch{requests: map[string][]seenRequest{}}
	s, err := mantatest.New(mantatest.Options{Root: root, Latency: latency, Bandwidth: bandwidth, Trace: w.note})
	return &site{Server: s, latency: latency, bandwidth: bandwidth, root: root, watch: w}, err
}

// address returns a new URL of the Manta. Each machine has a separate one, so that its requests
// can be distinguished.
func (s *site) address() (string, error) { return s.listen(s.HTTPServer()) }

// pages returns a new URL of the corpus as plain files with index pages, behind the same link.
func (s *site) pages() (string, error) {
	files := http.FileServer(http.Dir(filepath.Join(s.root, account, "stor", "thoth")))
	return s.listen(&http.Server{Handler: s.Shape(files), ReadHeaderTimeout: time.Minute})
}

func (s *site) listen(h *http.Server) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(l) }() // ended by close
	s.servers, s.ended = append(s.servers, h), append(s.ended, ended)
	return "http://" + l.Addr().String(), nil
}

func (s *site) close() (err error) {
	for i, h := range s.servers {
		err = errors.Join(err, h.Close())
		if e := <-s.ended[i]; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// near removes the link until the returned function is called.
func (s *site) near() (far func()) {
	s.SetLatency(0)
	s.SetBandwidth(0)
	return func() {
		s.SetLatency(s.latency)
		s.SetBandwidth(s.bandwidth)
	}
}

// settle returns when no request has arrived for a while, which means that the background work of
// a mount is done.
func (s *site) settle(ctx context.Context) error {
	quiet := max(4*s.latency, 500*time.Millisecond)
	last, since := s.Counters().Total, time.Now()
	return until(ctx, "the mount asks and asks", func() (bool, error) {
		if n := s.Counters().Total; n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) >= quiet, nil
	})
}
