package fs

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
)

// patience is how many times longer than others a call waits after a signal that
// brings what a program has written to the store: close(2) cannot be repeated.
const patience = 25

// writeCall begins the context of a call that stores what was written before.
func (t *tree) writeCall(ctx context.Context) *call {
	return newCall(ctx, t.o.OpTimeout, patience*t.o.Grace)
}

// mayWrite lets the owner of the mount and root write, and nobody else: the store
// knows them all as the owner.
func (t *tree) mayWrite(ctx context.Context) syscall.Errno {
	caller, known := fuse.FromContext(ctx)
	if known && caller.Uid != 0 && caller.Uid != t.uid {
		return errnoOf(errNotOwner)
	}
	return 0
}

// writeAccess answers access(2) for what can be written.
func (t *tree) writeAccess(ctx context.Context, mask uint32) syscall.Errno {
	if mask&accessWrite == 0 {
		return 0
	}
	return t.mayWrite(ctx)
}

// how has the edits under a context recorded as made by a call to the mount.
func how(c context.Context, call string) context.Context {
	return corpus.WithHow(c, "mount: "+call)
}

// edit changes the document of a dump. When it returns the edit is stored, and the
// kernel knows what it did to the views.
func (t *tree) edit(c context.Context, id dump.ID, edits ...document.Edit) (*corpus.Dump, error) {
	old, err := t.o.Corpus.Cached(c, id)
	if err != nil {
		old = nil // it will be there by the time it can be edited
	}
	now, err := t.o.Corpus.Edit(c, id, edits...)
	if err != nil {
		return nil, err
	}
	t.counts.edits.Add(1)
	change := []corpus.Change{{ID: id, Old: old, New: now}}
	for _, d := range t.live.all() {
		tellDir(d, change)
	}
	return now, nil
}
