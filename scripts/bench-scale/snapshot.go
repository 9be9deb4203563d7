package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/dustin/go-humanize"
)

const (
	stepSnapshot         = "from nothing with the published catalogue: mount, and ls -U by-hash has all"
	stepSnapshotResident = "resident memory at its peak, after that"
	stepStart            = "start with a local catalogue: mount, and ls of the root"

	snapshotKey = ".thothfs/index"
)

// publish makes m, whose catalogue is complete, publish it.
func (s *scale) publish(ctx context.Context, m *machine) error {
	r := Result{Step: stepPublish}
	err := s.measured(ctx, &r, func(ctx context.Context) error { return m.verb(ctx, "index") })
	if fi, serr := os.Stat(filepath.Join(s.corpus(), snapshotKey)); serr == nil {
		r.Note = humanize.IBytes(uint64(fi.Size()))
	}
	s.add(r, err)
	return err
}

// fromSnapshot mounts on a new machine and waits until it lists everything. The baseline is the
// transfer of the published catalogue.
func (s *scale) fromSnapshot(ctx context.Context, m *machine) (err error) {
	r := Result{Step: stepSnapshot, Lines: s.n, Note: "plain: GET of the published catalogue"}
	if r.Plain, err = s.transfer(ctx, m); err != nil {
		return err
	}
	// by-hash is listed only once, when all programs are present, since polling it would add
	// to the measured cost.
	err = s.measured(ctx, &r, func(ctx context.Context) error {
		if err := m.mount(ctx); err != nil {
			return err
		}
		err := until(ctx, "the mount does not list what was published", func() (bool, error) {
			n, err := m.entries("by-cmd")
			return n == len(s.cmds), err
		})
		if err != nil {
			return err
		}
		return m.listAll(ctx, s.n)
	})
	s.add(r, err)
	if err != nil {
		return err
	}
	if err := s.site.settle(ctx); err != nil {
		return err
	}
	s.addResident(stepSnapshotResident, m)
	return m.unmount(ctx)
}

// transfer returns how long a plain client takes to fetch the published catalogue over one
// connection, in milliseconds.
func (s *scale) transfer(ctx context.Context, m *machine) (float64, error) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	return s.timed(ctx, func(ctx context.Context) error { return get(ctx, client, objectURL(m.host, snapshotKey)) })
}

// start mounts on a machine that already has the catalogue, and leaves it mounted.
func (s *scale) start(ctx context.Context, m *machine) error {
	r := Result{Step: stepStart}
	err := s.measured(ctx, &r, func(ctx context.Context) error {
		if err := m.mount(ctx); err != nil {
			return err
		}
		lines, err := m.bash(ctx, `ls "$1" | wc -l`, m.mnt, "")
		if r.Lines, _ = strconv.Atoi(lines); err == nil && r.Lines == 0 {
			err = fmt.Errorf("nothing is in %s", m.mnt)
		}
		return err
	})
	s.add(r, err)
	if err != nil {
		return err
	}
	return s.site.settle(ctx)
}
