package corpus

import "sync"

// syncState is the progress of the latest reconciliation.
type syncState struct {
	mu          sync.Mutex // syncState is the progress of the latest reconciliation.
	done, total int        // documents
	missing     int        // guards the fields below
	complete    bool       // the whole corpus was read once
	current     bool       // new documents that could not be read
	whole       chan struct{}
	rebuilds    int // this process has asked, or tried to ask, for recent changes
}

func newSyncState() *syncState { return &syncState{whole: make(chan struct{})} }

// update calls f with the lock held. It closes whole when the corpus becomes known as a whole,
// and replaces it when it is no longer.
func (s *syncState) update(f func(*syncState)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.complete && s.current
	f(s)
	switch is := s.complete && s.current; {
	case is && !was:
		close(s.whole)
	case was && !is:
		s.whole = make(chan struct{})
	}
}

// get returns a copy of the state.
func (s *syncState) get() (c struct {
	done, total, missing, rebuilds int
	complete, current              bool
	whole                          <-chan struct{} // closed while complete and current
}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.done, c.total, c.missing, c.rebuilds = s.done, s.total, s.missing, s.rebuilds
	c.complete, c.current, c.whole = s.complete, s.current, s.whole
	return c
}

// Synced reports whether the catalogue in use has known the whole corpus at some time, in this
// process or an earlier one.
func (s *syncer) Synced() bool {
	state := s.state.get()
	return state.complete && s.cat.Rebuilds() == state.rebuilds
}

// IsWhole reports whether Whole would return at once.
func (s *syncer) IsWhole() bool { return s.Synced() && s.state.get().current }

// SyncState returns how many documents the latest reconciliation has read, how many it is
// going to read, and whether the whole corpus was read once.
func (s *syncer) SyncState() (done, total int, complete bool) {
	state := s.state.get()
	return state.done, state.total, state.complete
}

// Missing returns how many dumps are not in the catalogue because the latest reconciliation
// could not read their documents.
func (s *syncer) Missing() int { return s.state.get().missing }
