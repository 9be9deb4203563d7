package main

import (
	"net/http"
	"sync"
	"time"
)

// request is when a request came, and whether it lists the corpus.
type request struct {
	at    time.Time
	lists bool
}

// watch notes the requests to some addresses.
type watch struct {
	mu       sync.Mutex           // guards requests
	requests map[string][]request // by host
}

func (w *watch) note(r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if all, ok := w.requests[r.Host]; ok {
		w.requests[r.Host] = append(all, request{time.Now(), r.Method == http.MethodGet && r.URL.Path == "/"+account+"/stor/thoth"})
	}
}

// begin begins to note, or begins anew.
func (w *watch) begin(host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests[host] = []request{}
}

// poll is requests that came together.
type poll struct {
	began    time.Time
	requests int
	lists    bool // the corpus
}

// polls are what came to host since begin, told apart by gaps.
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
