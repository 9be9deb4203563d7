package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	stepIdle   = "an idle poll: requests, at most"
	stepTicket = "a ticket set on one mount is seen on another, at most"

	idlePolls    = 10
	ticketTrials = 5
)

// idlePolls counts the requests of polls that find nothing new. The note contains the counts of
// polls that list the corpus, as every twentieth poll does.
func (s *scale) idlePolls(ctx context.Context, m *machine) error {
	r := Result{Step: stepIdle}
	var idle, listing []poll
	_, err := s.timed(ctx, func(ctx context.Context) error {
		if err := s.mountPolling(ctx, m); err != nil {
			return err
		}
		s.site.watch.begin(m.host)
		return until(ctx, "the mount does not poll", func() (bool, error) {
			idle, listing = sortPolls(s.site.watch.polls(m.host, s.poll/2))
			return len(idle) >= idlePolls, nil
		})
	})
	r.Count, r.Note = int64(most(idle)), fmt.Sprintf("%d polls, %v apart", len(idle), s.poll)
	if len(listing) > 0 {
		r.Note += fmt.Sprintf("; besides, %d that listed the corpus: %d requests at most", len(listing), most(listing))
	}
	s.add(r, err)
	if err != nil {
		return err
	}
	return m.unmount(ctx)
}

// sortPolls separates polls that listed the corpus from those that did not. It ignores the first,
// which may have started earlier, and the last, which may be incomplete.
func sortPolls(all []poll) (idle, listing []poll) {
	if len(all) < 3 {
		return nil, nil
	}
	for _, p := range all[1 : len(all)-1] {
		if p.lists {
			listing = append(listing, p)
		} else {
			idle = append(idle, p)
		}
	}
	return idle, listing
}

// most returns the largest number of requests in a poll.
func most(all []poll) (n int) {
	for _, p := range all {
		n = max(n, p.requests)
	}
	return n
}

// mountPolling mounts with a short poll interval, and returns when the mount shows all changes
// and is idle.
func (s *scale) mountPolling(ctx context.Context, m *machine) error {
	if err := m.mount(ctx, "--poll", s.poll.String()); err != nil {
		return err
	}
	if err := s.knowsChanges(ctx, m); err != nil {
		return err
	}
	s.site.watch.begin(m.host)
	return until(ctx, "the mount does not poll", func() (bool, error) {
		return len(s.site.watch.polls(m.host, s.poll/2)) >= 2, nil
	})
}

// ticket sets tickets on one machine's mount, and counts how many polls another machine starts
// before it shows them.
func (s *scale) ticket(ctx context.Context, here, there *machine) error {
	r := Result{Step: stepTicket}
	polls := 0
	_, err := s.timed(ctx, func(ctx context.Context) error {
		for _, m := range []*machine{here, there} {
			if err := s.mountPolling(ctx, m); err != nil {
				return err
			}
		}
		for i := range ticketTrials {
			took, n, err := s.ticketOnce(ctx, here, there, i)
			if err != nil {
				return err
			}
			r.Thothfs, polls = max(r.Thothfs, took), max(polls, n)
		}
		return nil
	})
	r.Note = fmt.Sprintf("of %d; polls %v apart, %d of them begun meanwhile at most", ticketTrials, s.poll, polls)
	s.add(r, err)
	return err
}

func (s *scale) ticketOnce(ctx context.Context, here, there *machine, trial int) (took float64, polls int, err error) {
	name, id := fmt.Sprintf("SCALE-%d", 2+trial), s.edited[trial].ID.String()
	s.site.watch.begin(there.host)
	if err := unix.Setxattr(filepath.Join(here.mnt, "by-hash", id), "user.thoth.ticket", []byte(name), 0); err != nil {
		return 0, 0, &os.PathError{Op: "setxattr", Path: id, Err: err}
	}
	set := time.Now()
	err = until(ctx, "the ticket is not seen", func() (bool, error) {
		n, err := there.entries("by-ticket", name)
		return n == 1, err
	})
	took = float64(time.Since(set).Microseconds()) / 1000
	for _, p := range s.site.watch.polls(there.host, s.poll/2) {
		if p.began.After(set) {
			polls++
		}
	}
	return took, polls, err
}
