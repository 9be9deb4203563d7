package fs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/query"
)

// ticketsName is the writable view by-ticket/TICKET/HASH.
const ticketsName = "by-ticket"

// ticketField is the path of the ticket in a document.
const ticketField = "ticket"

// emptyTickets is the set of directories in by-ticket that contain no dump because they were
// created or emptied in this tree. An entry lasts until a dump gets that ticket or the tree is
// closed.
type emptyTickets struct {
	mu  sync.Mutex // guards set
	set map[string]struct{}
}

// maxEmptyTickets is the maximum number of empty ticket directories.
const maxEmptyTickets = 4096

// add adds a ticket and reports whether there was room for it.
func (e *emptyTickets) add(ticket string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.set) >= maxEmptyTickets {
		return false
	}
	if e.set == nil {
		e.set = map[string]struct{}{}
	}
	e.set[ticket] = struct{}{}
	return true
}

// remove removes a ticket and reports whether it was in the set.
func (e *emptyTickets) remove(ticket string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.set[ticket]
	delete(e.set, ticket)
	return ok
}

// find returns the ticket whose directory has the given name.
func (e *emptyTickets) find(name string) (string, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for ticket := range e.set {
		if query.EncodeName(ticket) == name {
			return ticket, true
		}
	}
	return "", false
}

// mergeInto returns values plus the tickets in the set, in byte order.
func (e *emptyTickets) mergeInto(values []corpus.Value) []corpus.Value {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.set) == 0 {
		return values
	}
	all := slices.Clone(values)
	for ticket := range e.set {
		all = append(all, corpus.Value{Text: ticket})
	}
	slices.SortStableFunc(all, func(a, b corpus.Value) int { return strings.Compare(a.Text, b.Text) })
	return slices.CompactFunc(all, func(a, b corpus.Value) bool { return a.Text == b.Text })
}

// ticketsDir is by-ticket, where directories can be created, removed and renamed.
type ticketsDir struct {
	valueDir
	fixedDir
}

var _ WritableDir = (*ticketsDir)(nil)

func (d *ticketsDir) Lookup(ctx context.Context, name string) (Entry, error) {
	generation := d.t.o.Corpus.Generation()
	ticket, _, err := d.find(ctx, name)
	if err != nil {
		return Entry{}, err
	}
	return d.entry(name, ticket, generation), nil
}

// find returns the ticket whose directory has the given name, and whether any dump has that ticket.
func (d *ticketsDir) find(ctx context.Context, name string) (ticket string, used bool, err error) {
	s, err := d.list(ctx)
	if err != nil {
		return "", false, err
	}
	if ticket, used = findValue(s.items, name); used {
		return ticket, true, nil
	}
	ticket, ok := d.t.tickets.find(name)
	if !ok {
		return "", false, notThere(d.below(name))
	}
	return ticket, false, nil
}

// entry sets no TTL because after a rename the kernel has the old directory under the new name.
func (d *ticketsDir) entry(name, ticket string, generation uint64) Entry {
	n := &ticketDir{
		viewDir: viewDir{catalogDir: d.t.catalogDir(d.below(name)), spec: query.Equal(ticketField, ticket), depth: 2},
		ticket:  ticket,
	}
	n.place(d, name, generation)
	return Entry{Node: n, Attr: n.attr()}
}

func (d *ticketsDir) List(ctx context.Context) (Listing, error) {
	s, err := d.list(ctx)
	if err != nil {
		return nil, err
	}
	return valueListing{d.path, d.t.tickets.mergeInto(s.items)}, nil
}

// Mkdir creates the directory of a ticket that no dump has. It does not change the store.
func (d *ticketsDir) Mkdir(ctx context.Context, name string) (Entry, error) {
	generation := d.t.o.Corpus.Generation()
	ticket, err := ticketOf(name)
	if err != nil {
		return Entry{}, err
	}
	if _, _, err := d.find(ctx, name); !errors.Is(err, ErrNotExist) {
		return Entry{}, cmp.Or(err, ErrExist)
	}
	if !d.t.tickets.add(ticket) {
		return Entry{}, ErrNoRoom
	}
	return d.entry(name, ticket, generation), nil
}

// ticketOf returns the ticket for a directory name.
func ticketOf(name string) (string, error) {
	if len(name) > MaxName {
		return "", ErrNameTooLong
	}
	ticket, err := query.DecodeName(name)
	if err != nil || ticket == "" {
		return "", ErrBadName
	}
	return ticket, nil
}

func (d *ticketsDir) RemoveDir(ctx context.Context, name string) error {
	ticket, used, err := d.find(ctx, name)
	switch {
	case err != nil:
		return err
	case used:
		return ErrNotEmpty
	case !d.t.tickets.remove(ticket):
		return notThere(d.below(name))
	}
	return nil
}

// Rename changes one ticket, on all dumps that have it, to another that no dump has. If it fails
// for some dumps, they keep the old ticket and both directories exist.
func (d *ticketsDir) Rename(ctx context.Context, from string, to Dir, name string, noReplace bool) error {
	if _, ok := to.(*ticketsDir); !ok {
		return ErrNotPermitted
	}
	old, used, err := d.find(ctx, from)
	if err != nil {
		return err
	}
	ticket, err := ticketOf(name)
	if err != nil {
		return err
	}
	_, taken, err := d.find(ctx, name)
	switch exists := err == nil; {
	case err != nil && !errors.Is(err, ErrNotExist):
		return err
	case ticket == old:
		return nil
	case noReplace && exists:
		return ErrExist
	case taken:
		return ErrNotEmpty
	}
	if used {
		if err := d.t.moveTicket(withOrigin(ctx, "rename "+d.below(from)+" to "+d.below(name)), old, ticket); err != nil {
			return err
		}
		d.t.tickets.remove(ticket)
	} else if !d.t.tickets.add(ticket) {
		return ErrNoRoom
	}
	d.t.tickets.remove(old)
	return nil
}

// parallelMoves is the maximum number of dumps whose ticket is changed concurrently.
const parallelMoves = 16

// moveTicket changes the ticket from to the ticket to on all dumps that have it. The error says how
// many dumps keep the old ticket.
func (t *Tree) moveTicket(ctx context.Context, from, to string) error {
	rows, err := t.o.Corpus.Select(ctx, query.Equal(ticketField, from))
	if err != nil {
		return err
	}
	errs := make([]error, len(rows))
	var group errgroup.Group
	group.SetLimit(parallelMoves)
	for i, row := range rows {
		group.Go(func() error {
			errs[i] = t.moveTicketOf(ctx, row.ID, from, to)
			return nil // move the others anyway
		})
	}
	_ = group.Wait() // always nil
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return nil
	}
	t.tickets.remove(to)
	return fmt.Errorf("%d of %d dumps keep the ticket %q, the others have %q now: %w", len(errs), len(rows), from, to, errors.Join(errs...))
}

// moveTicketOf skips a dump that has lost the ticket or been removed in the meantime.
func (t *Tree) moveTicketOf(ctx context.Context, id dump.ID, from, to string) error {
	err := t.hasTicket(ctx, id, from)
	if err == nil {
		_, err = t.edit(ctx, id, onlyFrom(from, document.Set(ticketField, to)))
		err = asNotThere(from, err)
	}
	if errors.Is(err, ErrNotExist) {
		return nil
	}
	return err
}

// onlyFrom makes an edit of the ticket conditional on the current ticket still being ticket.
func onlyFrom(ticket string, e document.Edit) document.Edit {
	e.If, e.Was = document.IfPresent, &ticket
	return e
}

// hasTicket returns an error unless ticket is the dump's only ticket.
func (t *Tree) hasTicket(ctx context.Context, id dump.ID, ticket string) error {
	now, err := t.o.Corpus.Dump(ctx, id)
	if err != nil {
		return err
	}
	text, list, ok := now.Doc.Lookup(ticketField)
	switch {
	case list != nil:
		return ErrTickets
	case !ok || text != ticket:
		return notThere(ticketsName + "/" + query.EncodeName(ticket) + "/" + id.String())
	}
	return nil
}

// ticketDir is by-ticket/TICKET, which lists the dumps that have the ticket. Creating a link in it
// sets the ticket of a dump; removing a link unsets it.
type ticketDir struct {
	viewDir
	fixedDir
	ticket string
}

var _ WritableDir = (*ticketDir)(nil)

// SetName implements Renamed.
func (d *ticketDir) SetName(name string) { d.name = name }

// Symlink gives a dump the ticket. The target may be any path that ends in the dump's hash or a
// prefix of it; name must be the hash or a prefix of it as well.
func (d *ticketDir) Symlink(ctx context.Context, target, name string) (Entry, error) {
	last := path.Base(target)
	if !isHashPrefix(last) {
		return Entry{}, ErrBadName
	}
	id, err := d.t.o.Corpus.Resolve(ctx, last)
	if err != nil {
		return Entry{}, err
	}
	if !isNameOf(id, name) {
		return Entry{}, ErrBadName
	}
	now, err := d.t.edit(withOrigin(ctx, "symlink "+d.below(name)), id, document.Set(ticketField, d.ticket))
	if err != nil {
		return Entry{}, err
	}
	d.t.tickets.remove(d.ticket)
	return d.linkEntry(corpus.Row{ID: now.ID, Time: unixOf(now)}, name, d.t.o.Corpus.Generation()), nil
}

// isNameOf reports whether name, the dump's hash or a prefix of it, is valid for a link to the
// dump.
func isNameOf(id dump.ID, name string) bool {
	return isHashPrefix(name) && strings.HasPrefix(id.String(), name)
}

// Remove unsets the ticket of a dump.
func (d *ticketDir) Remove(ctx context.Context, name string) error {
	id, err := d.holds(ctx, name)
	if err == nil {
		_, err = d.t.edit(withOrigin(ctx, "unlink "+d.below(name)), id, onlyFrom(d.ticket, document.Unset(ticketField)))
	}
	if err == nil {
		d.keep(ctx)
	}
	return asNotThere(name, err)
}

// holds returns the dump that name refers to in the directory, if the ticket is still its only one.
func (d *ticketDir) holds(ctx context.Context, name string) (dump.ID, error) {
	row, err := d.find(ctx, name)
	if err != nil {
		return row.ID, err
	}
	return row.ID, d.t.hasTicket(ctx, row.ID, d.ticket)
}

// keep makes the directory persist after its last link was removed, until it is removed itself.
func (d *ticketDir) keep(ctx context.Context) {
	if s, err := d.list(ctx); err == nil && len(s.items) == 0 {
		d.t.tickets.add(d.ticket)
	}
}

// Rename moves a dump from one ticket to another.
func (d *ticketDir) Rename(ctx context.Context, name string, to Dir, newName string, _ bool) error {
	target, ok := to.(*ticketDir)
	if !ok {
		return ErrNotPermitted
	}
	id, err := d.holds(ctx, name)
	if err == nil && !isNameOf(id, newName) {
		err = ErrBadName
	}
	if err == nil && target.ticket != d.ticket {
		origin := withOrigin(ctx, "rename "+d.below(name)+" to "+target.below(newName))
		if _, err = d.t.edit(origin, id, onlyFrom(d.ticket, document.Set(ticketField, target.ticket))); err == nil {
			d.t.tickets.remove(target.ticket)
			d.keep(ctx)
		}
	}
	return asNotThere(name, err)
}

func (d *ticketDir) RemoveDir(context.Context, string) error { return ErrNotDir }
