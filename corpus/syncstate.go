package corpus

import "sync"

// syncState is how far the latest reconciliation is.
type syncState struct {
	mu          sync.Mutex // guards what follows
	done, total int
	missing     int  // new documents that it could not read
	complete    bool // the whole corpus was read once
	// current: this process has asked what has changed since, or tried to.
	current bool
	whole   chan struct{} // closed once complete and current
	resets  int           // of the catalogue that this is true of
}

func newSyncState() *syncState { return &syncState{whole: make(chan struct{})} }

func (s *syncState) set(done, total int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done, s.total = done, total
}

func (s *syncState) setMissing(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missing = n
}

// restart is for a catalogue that was opened just now.
func (s *syncState) restart(complete bool, resets int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isWholeLocked() {
		s.whole = make(chan struct{})
	}
	s.complete, s.current, s.resets = complete, false, resets
}

func (s *syncState) setComplete() {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.isWholeLocked()
	s.complete = true
	s.tellLocked(was)
}

func (s *syncState) setCurrent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.isWholeLocked()
	s.current = true
	s.tellLocked(was)
}

func (s *syncState) tellLocked(was bool) {
	if !was && s.isWholeLocked() {
		close(s.whole)
	}
}

func (s *syncState) isWholeLocked() bool { return s.complete && s.current }

func (s *syncState) isWhole() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isWholeLocked()
}

// wholeness is closed once the whole corpus is known.
func (s *syncState) wholeness() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.whole
}

func (s *syncState) resetCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resets
}

// Synced reports whether the catalogue that is in use now has known the whole corpus at
// some time, by this process or one before.
func (c *Corpus) Synced() bool {
	_, _, complete := c.SyncState()
	return complete && c.cat.resetCount() == c.state.resetCount()
}

// IsWhole reports whether Whole would return at once.
func (c *Corpus) IsWhole() bool { return c.Synced() && c.state.isWhole() }

// SyncState returns how many documents the latest reconciliation has looked at, how
// many it means to, and whether the whole corpus was read once.
func (c *Corpus) SyncState() (done, total int, complete bool) {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	return c.state.done, c.state.total, c.state.complete
}

// Missing returns how many dumps are not in the catalogue because the latest
// reconciliation could not read their documents.
func (c *Corpus) Missing() int {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	return c.state.missing
}
