package corpus

import "sync"

// syncState is the progress of the latest reconciliation.
type syncState struct {
	mu          sync.Mutex // guards the fields below
	done, total int        // documents read, and to be read in all
	missing     int        // new documents that could not be read
	complete    bool       // the whole corpus has been read once
	current     bool       // this process has asked, or tried to ask, for recent changes
	whole       chan struct{}
	rebuilds    int // value of cat.Rebuilds that this state belongs to
}

func newSyncState() *syncState { return &syncState{whole: make(chan struct{})} }

// update calls f with the lock held. It closes whole when the state becomes complete and current,
// and replaces it when that is no longer the case.
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

// Synced reports whether the catalogue in use has covered the whole corpus at some time, in this
// process or an earlier one.
func (s *syncer) Synced() bool {
	state := s.state.get()
	return state.complete && s.cat.Rebuilds() == state.rebuilds
}

// IsWhole reports whether Whole would return immediately.
func (s *syncer) IsWhole() bool { return s.Synced() && s.state.get().current }

// SyncState returns the number of documents that the latest reconciliation has read, the number
// that it will read in all, and whether the whole corpus has been read once.
func (s *syncer) SyncState() (done, total int, complete bool) {
	state := s.state.get()
	return state.done, state.total, state.complete
}

// Missing returns the number of dumps that are not in the catalogue because the latest
// reconciliation could not read their documents.
func (s *syncer) Missing() int { return s.state.get().missing }
