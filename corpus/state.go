package corpus

import "sync"

// syncState is how far the latest reconciliation is.
type syncState struct {
	mu          sync.Mutex // guards what follows
	done, total int
	complete    bool
}

func (s *syncState) set(done, total int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done, s.total = done, total
}

func (s *syncState) setComplete(complete bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.complete = complete
}

// Synced tells whether the whole corpus was read once, by this process or one before.
func (c *Corpus) Synced() bool {
	_, _, complete := c.SyncState()
	return complete
}

// SyncState returns how many documents the latest reconciliation has looked at, how
// many it means to, and whether the whole corpus was read once.
func (c *Corpus) SyncState() (done, total int, complete bool) {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	return c.state.done, c.state.total, c.state.complete
}
