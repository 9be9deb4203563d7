package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"thothfs/corpus"
	"thothfs/corpus/ingest"
	"thothfs/dump/document"
	"thothfs/scripts/corpusgen/gen"
	"thothfs/store"
	"thothfs/store/manta"
)

const (
	changesTicket  = "SCALE-1" // ticket of all dumps that others upload or edit
	changersAtOnce = 4
)

// changer is another machine, which changes the corpus without using the link.
type changer struct {
	store store.Store
	name  string
	dirs  chan string // catalogue directories, one for each concurrent change
}

// changeByOthers uploads the new dumps and sets tickets, each in a separate process, so that each
// change leaves an entry in the change log. This takes the longest to catch up with.
func (s *scale) changeByOthers(ctx context.Context) error {
	far := s.site.near()
	defer far()
	url, err := s.site.address()
	if err != nil {
		return err
	}
	at, err := manta.Open(manta.Options{URL: url, Account: account, NoAuth: true})
	if err != nil {
		return err
	}
	defer at.Close()
	c := &changer{store: at, name: url, dirs: make(chan string, changersAtOnce)}
	for i := range changersAtOnce {
		c.dirs <- filepath.Join(s.quick, fmt.Sprintf("changer%d", i)) // syncing catalogues would take minutes
	}
	fresh := gen.Options{Dir: filepath.Join(s.quick, "fresh"), From: s.n, Count: len(s.fresh), Seed: seed}
	if _, err := gen.Generate(ctx, fresh); err != nil {
		return err
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(changersAtOnce)
	for _, d := range s.fresh {
		group.Go(func() error { return c.upload(gctx, d, fresh.Dir) })
	}
	for _, d := range s.edited {
		group.Go(func() error { return c.edit(gctx, d) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return s.checkLog()
}

// checkLog checks that the change log contains every change.
func (s *scale) checkLog() error {
	n, err := countEntries(filepath.Join(s.corpus(), ".thothfs", "changes"))
	if want := len(s.fresh) + len(s.edited); err == nil && n != want {
		err = fmt.Errorf("the change log has %d entries of %d", n, want)
	}
	return err
}

// once acts as a separate process, which writes to the change log when it ends.
func (c *changer) once(ctx context.Context, f func(*corpus.Corpus) error) error {
	dir := <-c.dirs
	defer func() { c.dirs <- dir }()
	k, err := corpus.Open(ctx, corpus.Options{Store: c.store, Name: c.name, Root: "/" + account + "/stor/thoth", Dir: dir, Changes: true})
	if err != nil {
		return err
	}
	return errors.Join(f(k), k.Close())
}

func (c *changer) upload(ctx context.Context, d gen.Dump, dir string) error {
	return c.once(ctx, func(k *corpus.Corpus) error {
		f := d.Fields
		r, err := ingest.Upload(ctx, k, filepath.Join(dir, d.ID.String(), d.Name), ingest.Options{Node: f.Node, Platform: f.Platform, Time: f.Time, Ticket: changesTicket})
		if err == nil && r.ID != d.ID {
			err = fmt.Errorf("%v was uploaded as %v", d.ID, r.ID)
		}
		return err
	})
}

func (c *changer) edit(ctx context.Context, d gen.Dump) error {
	return c.once(ctx, func(k *corpus.Corpus) error {
		_, err := k.Edit(ctx, d.ID, document.Set("ticket", changesTicket))
		return err
	})
}
