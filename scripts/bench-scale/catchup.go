package main

import (
	"context"
	"fmt"
)

const (
	stepCatchUp     = "catch up with others' changes, with the catalogue of before"
	stepCatchUpLate = "catch up with the same from nothing, with the published catalogue of before"
)

// catchUp measures how long a mount takes to see changes made by others. For the machine known,
// the changes are those since its last mount; for the machine late, which had no catalogue, those
// since the catalogue was published.
func (s *scale) catchUp(ctx context.Context, known, late *machine) error {
	s.say("others upload %d dumps and edit %d", len(s.fresh), len(s.edited))
	if err := s.changeByOthers(ctx); err != nil {
		return err
	}
	what := fmt.Sprintf("%d new, %d edited, an entry of the change log each", len(s.fresh), len(s.edited))
	r := Result{Step: stepCatchUp, Note: what}
	if err := s.catchUpOn(ctx, known, r); err != nil {
		return err
	}
	r = Result{Step: stepCatchUpLate, Note: "plain: GET of the published catalogue"}
	var err error
	if r.Plain, err = s.transfer(ctx, late); err != nil {
		return err
	}
	return s.catchUpOn(ctx, late, r)
}

// catchUpOn mounts on m, waits until the mount shows all changes, and unmounts.
func (s *scale) catchUpOn(ctx context.Context, m *machine, r Result) error {
	err := s.measured(ctx, &r, func(ctx context.Context) error {
		if err := m.mount(ctx); err != nil {
			return err
		}
		return s.knowsChanges(ctx, m)
	})
	if err == nil {
		err = m.listAll(ctx, s.n+len(s.fresh))
	}
	s.add(r, err)
	if err != nil {
		return err
	}
	return m.unmount(ctx)
}

// knowsChanges waits until m's mount shows the changes of others, which all have the same ticket.
func (s *scale) knowsChanges(ctx context.Context, m *machine) error {
	return until(ctx, "the mount does not show what others changed", func() (bool, error) {
		n, err := m.entries("by-ticket", changesTicket)
		return n >= len(s.fresh)+len(s.edited), err
	})
}
