package fs

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/query"
	"thothfs/store"
)

// renamedAtOnce is how many dumps get another ticket at a time.
const renamedAtOnce = 16

var _ fusefs.NodeRenamer = (*ticketsDir)(nil)

// Rename gives all dumps that have one ticket another, which no dump has. When it fails
// for some of them these keep theirs: then both directories are there.
func (d *ticketsDir) Rename(ctx context.Context, from string, newParent fusefs.InodeEmbedder, to string, flags uint32) syscall.Errno {
	switch _, ok := newParent.(*ticketsDir); {
	case !ok:
		return syscall.EPERM
	case flags&^unix.RENAME_NOREPLACE != 0:
		return syscall.EINVAL
	}
	if errno := d.t.mayWrite(ctx); errno != 0 {
		return errno
	}
	c := d.t.call(ctx)
	defer c.end()
	err := d.rename(how(c, "rename "+d.below(from)+" to "+d.below(to)), from, to, flags&unix.RENAME_NOREPLACE != 0)
	return d.t.fail(c, "rename", d.below(from), err)
}

func (d *ticketsDir) rename(c context.Context, from, to string, keep bool) error {
	s, err := d.snapshot(c)
	if err != nil {
		return err
	}
	old, used := findValue(s.items, from)
	if !used {
		var made bool
		if old, made = d.t.tickets.find(from); !made {
			return notThere(d.below(from))
		}
	}
	ticket, err := query.DecodeName(to)
	if err != nil || ticket == "" {
		return errName
	}
	_, taken := findValue(s.items, to)
	_, made := d.t.tickets.find(to)
	switch {
	case ticket == old:
		return nil
	case keep && (taken || made):
		return errExists
	case taken:
		return errNotEmpty
	}
	if used {
		if err := d.t.moveTicket(c, old, ticket); err != nil {
			return err
		}
		d.t.tickets.remove(ticket)
	} else if !d.t.tickets.add(ticket) {
		return errNoRoom
	}
	d.t.tickets.remove(old)
	return nil
}

// moveTicket gives the dumps that have one ticket another. The error says how many of
// them it could not be given.
func (t *tree) moveTicket(c context.Context, from, to string) error {
	rows, err := t.o.Corpus.Select(c, query.Equal(ticketField, from))
	if err != nil {
		return err
	}
	errs := make([]error, len(rows))
	var group errgroup.Group
	group.SetLimit(renamedAtOnce)
	for i, row := range rows {
		group.Go(func() error {
			errs[i] = t.moveTicketOf(c, row.ID, from, to)
			return nil
		})
	}
	_ = group.Wait() // they are in errs
	var first error
	failed := 0
	for _, err := range errs {
		if err != nil {
			failed++
			first = errors.Join(first, err)
		}
	}
	if failed > 0 {
		t.tickets.remove(to)
		return fmt.Errorf("%d of %d dumps keep the ticket %q, the others have %q now: %w", failed, len(rows), from, to, first)
	}
	return nil
}

// moveTicketOf leaves a dump alone that lost the ticket, or went, in the meantime.
func (t *tree) moveTicketOf(c context.Context, id dump.ID, from, to string) error {
	err := t.hasTicket(c, id, from)
	if err == nil {
		_, err = t.edit(c, id, onlyFrom(from, document.Set(ticketField, to)))
		err = asNotThere(from, err)
	}
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	return err
}
