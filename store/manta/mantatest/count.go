package mantatest

import (
	"maps"
	"sync"
)

// Counters holds the totals of a Server since it started or since ResetCounters.
type Counters struct {
	Requests    map[string]int64 // keyed by method
	Total       int64            // requests of all methods
	BodyBytes   int64            // sent in response bodies, including errors
	Uploaded    int64            // received in request bodies
	Connections int64            // accepted connections
}

// liveCounters holds the Counters that are being updated.
type liveCounters struct {
	mu sync.Mutex // guards c
	c  Counters
}

// Counters returns the counters so far.
func (s *Server) Counters() Counters {
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	c := s.counts.c
	c.Requests = maps.Clone(c.Requests)
	return c
}

// ResetCounters sets all counters to zero.
func (s *Server) ResetCounters() {
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	s.counts.c = Counters{}
}

func (c *liveCounters) request(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c.Requests == nil {
		c.c.Requests = map[string]int64{}
	}
	c.c.Requests[method]++
	c.c.Total++
}

func (c *liveCounters) sent(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.c.BodyBytes += n
}

func (c *liveCounters) received(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.c.Uploaded += n
}

func (c *liveCounters) connection() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.c.Connections++
}
