package main

import (
	"net/http"
	"sync"
	"time"
)

// seenRequest is the time of a request, and whether it lists the corpus.
type seenRequest struct {
	at    time.Time
	lists bool
}

// watch records the requests to some hosts.
type watch struct {
	mu       sync.Mutex               // guards requests
	requests map[string][]seenRequest // keyed by host
}

func (w *watch) note(r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if all, ok := w.requests[r.Host]; ok {
		w.requests[r.Host] = append(all, seenRequest{time.Now(), r.Method == http.MethodGet && r.URL.Path == "/"+account+"/stor/thoth"})
	}
}

// begin starts recording for host, discarding earlier requests.
func (w *watch) begin(host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests[host] = []seenRequest{}
}

// poll is a group of requests close in time.
type poll struct {
	began    time.Time
	requests int
	lists    bool // lists the corpus
}

// polls returns the requests to host since begin, grouped by gaps.
func (w *watch) polls(host string, gap time.Duration) (all []poll) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var last time.Time
	for _, r := range w.requests[host] {
		if len(all) == 0 || r.at.Sub(last) >= gap {
			all = append(all, poll{began: r.at})
		}
		p := &all[len(all)-1]
		p.requests++
		p.lists = p.lists || r.lists
		last = r.at
	}
	return all
}
