package fs

import (
	"context"
	"slices"
	"strings"
	"sync"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/corpus"
	"thothfs/query"
)

// ticketsName is the view that can be changed: by-ticket/TICKET/HASH.
const ticketsName = "by-ticket"

// ticketField is where a document has its ticket.
const ticketField = "ticket"

// madeTickets are the directories in by-ticket that no dump is in: made, or emptied,
// in this mount. They are forgotten when a dump gets that ticket, and with the mount.
type madeTickets struct {
	mu  sync.Mutex // guards set
	set map[string]struct{}
}

// maxMade bounds the tickets that no dump has.
const maxMade = 4096

func (m *madeTickets) add(ticket string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.set) >= maxMade {
		return false
	}
	if m.set == nil {
		m.set = map[string]struct{}{}
	}
	m.set[ticket] = struct{}{}
	return true
}

func (m *madeTickets) remove(ticket string) (was bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, was = m.set[ticket]
	delete(m.set, ticket)
	return was
}

// find returns the ticket whose directory has that name.
func (m *madeTickets) find(name string) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ticket := range m.set {
		if query.EncodeName(ticket) == name {
			return ticket, true
		}
	}
	return "", false
}

// among returns values and the tickets that no dump has, in byte order.
func (m *madeTickets) among(values []corpus.Value) []corpus.Value {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.set) == 0 {
		return values
	}
	all := slices.Clone(values)
	for ticket := range m.set {
		all = append(all, corpus.Value{Text: ticket})
	}
	slices.SortStableFunc(all, func(a, b corpus.Value) int { return strings.Compare(a.Text, b.Text) })
	return slices.CompactFunc(all, func(a, b corpus.Value) bool { return a.Text == b.Text })
}

// ticketsDir is by-ticket, where directories can be made.
type ticketsDir struct{ valueDir }

var _ fusefs.NodeAccesser = (*ticketsDir)(nil)

func (d *ticketsDir) Access(ctx context.Context, mask uint32) syscall.Errno {
	return d.t.writeAccess(ctx, mask)
}

var _ fusefs.NodeLookuper = (*ticketsDir)(nil)

func (d *ticketsDir) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	d.t.counts.lookups.Add(1)
	d.t.live.add(&d.valueDir)
	keepNoMissing(out)
	generation := d.t.o.Corpus.Generation()
	c := d.t.call(ctx)
	defer c.end()
	ticket, err := d.find(c, name)
	if err != nil {
		return nil, d.t.fail(c, "lookup", d.below(name), err)
	}
	return d.add(ctx, name, ticket, generation, out), 0
}

// find returns the ticket whose directory has that name.
func (d *ticketsDir) find(c context.Context, name string) (string, error) {
	s, err := d.snapshot(c)
	if err != nil {
		return "", err
	}
	ticket, ok := findValue(s.items, name)
	if !ok {
		ticket, ok = d.t.tickets.find(name)
	}
	if !ok {
		return "", notThere(d.below(name))
	}
	return ticket, nil
}

func (d *ticketsDir) has(c context.Context, name string) (int64, error) {
	_, err := d.find(c, name)
	return 0, err
}

func (d *ticketsDir) add(ctx context.Context, name, ticket string, generation uint64, out *fuse.EntryOut) *fusefs.Inode {
	n := &ticketDir{
		viewDir: viewDir{dirNode: d.t.dirNode(d.below(name)), spec: query.Equal(ticketField, ticket), depth: ticketDepth},
		ticket:  ticket,
	}
	n.seen.Store(generation)
	n.attr(&out.Attr)
	out.SetEntryTimeout(instant) // after a rename the kernel has the former directory under the new name
	return d.child(ctx, n, n.identity())
}

var _ fusefs.NodeOpendirHandler = (*ticketsDir)(nil)

func (d *ticketsDir) OpendirHandle(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	d.t.live.add(&d.valueDir)
	return d.t.openWhole(ctx, d, true)
}

func (d *ticketsDir) list(ctx context.Context) (listing, error) {
	s, err := d.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return valueNames{d.path, d.t.tickets.among(s.items)}, nil
}

var _ fusefs.NodeMkdirer = (*ticketsDir)(nil)

// Mkdir makes the directory of a ticket that no dump has. The store knows nothing of
// it.
func (d *ticketsDir) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	if errno := d.t.mayWrite(ctx); errno != 0 {
		return nil, errno
	}
	generation := d.t.o.Corpus.Generation()
	c := d.t.call(ctx)
	defer c.end()
	ticket, err := d.make(c, name)
	if err != nil {
		return nil, d.t.fail(c, "mkdir", d.below(name), err)
	}
	return d.add(ctx, name, ticket, generation, out), 0
}

func (d *ticketsDir) make(c context.Context, name string) (string, error) {
	if len(name) > maxName {
		return "", errLongName
	}
	ticket, err := query.DecodeName(name)
	if err != nil || ticket == "" {
		return "", errName
	}
	s, err := d.snapshot(c)
	if err != nil {
		return "", err
	}
	if _, there := findValue(s.items, name); there {
		return "", errExists
	}
	if !d.t.tickets.add(ticket) {
		return "", errNoRoom
	}
	return ticket, nil
}

var _ fusefs.NodeRmdirer = (*ticketsDir)(nil)

func (d *ticketsDir) Rmdir(ctx context.Context, name string) syscall.Errno {
	if errno := d.t.mayWrite(ctx); errno != 0 {
		return errno
	}
	c := d.t.call(ctx)
	defer c.end()
	s, err := d.snapshot(c)
	if err != nil {
		return d.t.fail(c, "rmdir", d.below(name), err)
	}
	if _, used := findValue(s.items, name); used {
		return syscall.ENOTEMPTY
	}
	ticket, ok := d.t.tickets.find(name)
	if !ok || !d.t.tickets.remove(ticket) {
		return syscall.ENOENT
	}
	return 0
}

// What by-ticket cannot hold: it has directories alone.

func (d *ticketsDir) Create(context.Context, string, uint32, uint32, *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EPERM
}

func (d *ticketsDir) Symlink(context.Context, string, string, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}
