package fs

import (
	"context"
	"path"
	"strings"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/query"
)

// ticketDir is by-ticket/TICKET: the dumps that have the ticket. A link that is made
// in it gives a dump the ticket, one that is removed takes it away.
type ticketDir struct {
	viewDir
	ticket string
}

// ticketDepth is the depth of a ticketDir below the root.
const ticketDepth = 2

var _ fusefs.NodeAccesser = (*ticketDir)(nil)

func (d *ticketDir) Access(ctx context.Context, mask uint32) syscall.Errno {
	return d.t.writeAccess(ctx, mask)
}

var _ fusefs.NodeSymlinker = (*ticketDir)(nil)

// Symlink gives a dump the ticket. The target is anything that ends in the dump's
// hash, and the link is called like that.
func (d *ticketDir) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	if errno := d.t.mayWrite(ctx); errno != 0 {
		return nil, errno
	}
	c := d.t.call(ctx)
	defer c.end()
	now, err := d.take(c, target, name)
	if err != nil {
		return nil, d.t.fail(c, "symlink", d.below(name), err)
	}
	row := corpus.Row{ID: now.ID, Time: unixOf(now)}
	return d.addLink(ctx, row, name, d.t.o.Corpus.Generation(), out), 0
}

func (d *ticketDir) take(c context.Context, target, name string) (*corpus.Dump, error) {
	last := path.Base(target)
	if !isHashPrefix(last) {
		return nil, errName
	}
	id, err := d.t.o.Corpus.Resolve(c, last)
	if err != nil {
		return nil, err
	}
	if !isNameOf(id, name) {
		return nil, errName
	}
	return d.set(how(c, "symlink "+d.below(name)), id, document.Set(ticketField, d.ticket))
}

// isNameOf tells whether a link to the dump may be called that: its hash, or a
// beginning of it.
func isNameOf(id dump.ID, name string) bool {
	return isHashPrefix(name) && strings.HasPrefix(id.String(), name)
}

// set makes an edit that gives the dump the ticket.
func (d *ticketDir) set(c context.Context, id dump.ID, e document.Edit) (*corpus.Dump, error) {
	now, err := d.t.edit(c, id, e)
	if err == nil {
		d.t.tickets.remove(d.ticket)
	}
	return now, err
}

var _ fusefs.NodeUnlinker = (*ticketDir)(nil)

// Unlink takes the ticket from a dump.
func (d *ticketDir) Unlink(ctx context.Context, name string) syscall.Errno {
	if errno := d.t.mayWrite(ctx); errno != 0 {
		return errno
	}
	c := d.t.call(ctx)
	defer c.end()
	id, err := d.holds(c, name)
	if err == nil {
		_, err = d.t.edit(how(c, "unlink "+d.below(name)), id, onlyFrom(d.ticket, document.Unset(ticketField)))
	}
	if err == nil {
		d.keep(c)
	}
	return d.t.fail(c, "unlink", d.below(name), asNotThere(name, err))
}

// onlyFrom makes an edit of the ticket one that leaves a dump alone whose ticket is
// another by then.
func onlyFrom(ticket string, e document.Edit) document.Edit {
	e.If, e.Was = document.IfPresent, &ticket
	return e
}

// holds returns the dump that a name in the directory means, if the ticket is its
// only one and still there.
func (d *ticketDir) holds(c context.Context, name string) (dump.ID, error) {
	row, err := d.find(c, name)
	if err != nil {
		return row.ID, err
	}
	return row.ID, d.t.hasTicket(c, row.ID, d.ticket)
}

// hasTicket returns an error unless the ticket is the only one that a dump has.
func (t *tree) hasTicket(c context.Context, id dump.ID, ticket string) error {
	now, err := t.o.Corpus.Dump(c, id)
	if err != nil {
		return err
	}
	text, list, ok := now.Doc.Lookup(ticketField)
	switch {
	case list != nil:
		return errTickets
	case !ok || text != ticket:
		return notThere(ticketsName + "/" + query.EncodeName(ticket) + "/" + id.String())
	}
	return nil
}

// keep keeps the directory when its last link has gone, as a directory does: until
// it is removed, or the file system unmounted.
func (d *ticketDir) keep(c context.Context) {
	if s, err := d.snapshot(c); err == nil && len(s.items) == 0 {
		d.t.tickets.add(d.ticket)
	}
}

var _ fusefs.NodeRenamer = (*ticketDir)(nil)

// Rename moves a dump from one ticket to another.
func (d *ticketDir) Rename(ctx context.Context, name string, newParent fusefs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	to, ok := newParent.(*ticketDir)
	switch {
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
	id, err := d.holds(c, name)
	if err == nil && !isNameOf(id, newName) {
		err = errName
	}
	if err == nil && to.ticket != d.ticket {
		edit := onlyFrom(d.ticket, document.Set(ticketField, to.ticket))
		if _, err = to.set(how(c, "rename "+d.below(name)+" to "+to.below(newName)), id, edit); err == nil {
			d.keep(c)
		}
	}
	return d.t.fail(c, "rename", d.below(name), asNotThere(name, err))
}

// What a ticket's directory cannot hold.

func (d *ticketDir) Create(context.Context, string, uint32, uint32, *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EPERM
}

func (d *ticketDir) Mkdir(context.Context, string, uint32, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

func (d *ticketDir) Rmdir(context.Context, string) syscall.Errno { return syscall.ENOTDIR }
