package corpus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"thothfs/corpus/catalog"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
	"time"
)

// UploadOptions say what a dump does not say itself.
type UploadOptions struct {
	Node, Platform string    // "": found out
	Time           time.Time // zero: found out
	// Set and Ticket, if not empty, are edits of the document: a new dump has them
	// from the beginning, one that is there gets them by Edit.
	Ticket string
	Set    []document.Edit
	// Stack runs a debugger on the dump at path, a local uncompressed file. Without
	// it, or when it fails or finds nothing, the document has no stack.
	Stack func(ctx context.Context, path string, info *dump.Info) ([]string, error)
	// Pack makes the hot pack that is stored beside a dump; nil: none is.
	Pack PackFunc
	// TempDir is where a compressed dump is unpacked; "" is os.TempDir().
	TempDir string
	// Progress, if not nil, is called with the bytes of the dump that were sent. It
	// starts again from 0 when they are sent again.
	Progress func(done, total int64)
}

// UploadState is what an upload had to do. Its text is for people.
type UploadState string

// What an upload had to do.
const (
	Stored    UploadState = "stored"                                 // it was not there
	Present   UploadState = "is already there"                       // nothing
	Completed UploadState = "completed an interrupted upload"        // the dump or a part of it was there, without its document
	Repaired  UploadState = "replaced the truncated copy"            // by the longer one
	Restored  UploadState = "put back, its document was still there" // the dump was purged
)

// UploadResult is what became of an upload.
type UploadResult struct {
	ID    dump.ID
	Key   string // of the dump
	Size  int64  // of the dump, unpacked
	State UploadState
	Info  *dump.Info
}

var (
	// ErrDiffers is a file of which the corpus holds a larger copy: it is likely a
	// truncated one itself. Nothing was stored.
	ErrDiffers = errors.New("the corpus holds a larger copy of this dump")
	// ErrChanged is a file that changed while it was uploaded. What was stored of it
	// was removed again.
	ErrChanged = errors.New("the file changed while it was read")
)

// Upload stores the dump in the file at path, with a document, under its hash. A
// compressed one is unpacked first. What is there already is not stored again, an
// upload that was interrupted is completed, a truncated copy is replaced; a dump
// that is there whole never is. The document comes last, so an upload that fails
// leaves nothing that looks like a dump; trying again completes it.
//
// Besides those of the store, errors are ErrDiffers, ErrChanged, those of
// dump.Inspect, of Edit and of the file. store.ErrConflict means that others keep
// changing the same dump.
func (c *Corpus) Upload(ctx context.Context, path string, o UploadOptions) (UploadResult, error) {
	src, err := openSource(ctx, path, o.TempDir)
	if err != nil {
		return UploadResult{}, err
	}
	defer src.close()
	edits := o.edits()
	if err := writable(edits); err != nil {
		return UploadResult{}, err
	}
	info, err := dump.Inspect(src.file, src.size)
	if err != nil {
		return UploadResult{}, err
	}
	u := &upload{c: c, o: o, src: src, info: info, edits: edits}
	res := UploadResult{ID: info.ID, Size: src.size, Info: info}
	for tries := 3; ; tries-- {
		err := u.run(ctx, &res)
		if !errors.Is(err, store.ErrConflict) || tries == 1 {
			return res, err
		}
	}
}

// upload is one upload under way.
type upload struct {
	c    *Corpus
	o    UploadOptions
	src  *source
	info *dump.Info

	edits []document.Edit
}

// edits are what is to be edited.
func (o *UploadOptions) edits() []document.Edit {
	if o.Ticket == "" {
		return o.Set
	}
	return append(slices.Clone(o.Set), document.Set("ticket", o.Ticket))
}

// run looks at what is there and does what is missing. With store.ErrConflict
// somebody else changed what it saw.
func (u *upload) run(ctx context.Context, res *UploadResult) error {
	h, err := u.find(ctx)
	if err != nil {
		return err
	}
	res.ID, res.Key = h.id, h.id.String()+"/"+h.name
	todo, err := u.decide(ctx, h)
	if err != nil {
		return err
	}
	res.State = todo.state
	if err := u.foresee(h); err != nil {
		return err
	}
	var stored store.Ref
	if todo.send {
		if stored, err = u.send(ctx, store.Ref{Key: res.Key, ETag: h.dump.ETag}); err != nil {
			return err
		}
		u.pack(ctx, stored)
		u.c.dropListing(ctx, h.id)
	}
	if h.hasInfo {
		u.learn(ctx, h)
		edits := append(slices.Clone(u.edits), u.correct(h, todo)...)
		if len(edits) > 0 {
			_, err = u.c.editAny(ctx, h.id, edits...)
		}
		return err
	}
	if todo.state == Stored {
		if err := u.alone(ctx, h, stored); err != nil {
			return err
		}
	}
	return u.document(ctx, h, stored)
}

// foresee tells, before much is sent, that the edits are not possible.
func (u *upload) foresee(h *holding) error {
	if h.unreadable() {
		return nil // Edit says so
	}
	if h.hasInfo {
		_, _, err := h.stored.Doc.Apply(u.edits...)
		return err
	}
	_, _, err := document.Parse(u.describe(h, nil)).Apply(u.edits...)
	return err
}

// correct returns the edit that has the document say whether the dump is truncated: the
// one that is there now, whoever stored it.
func (u *upload) correct(h *holding, todo todo) []document.Edit {
	doc := h.stored.Doc
	truncated := u.info.Truncated() && (todo.send || h.dump.Size == u.src.size)
	_, said := doc.Get(truncatedField)
	switch {
	case h.unreadable() || doc.Damage() != "" || said == truncated:
		return nil
	case truncated:
		return []document.Edit{{Path: truncatedField, Value: []byte("true")}}
	}
	return []document.Edit{document.Unset(truncatedField)}
}

// truncatedField is the field of a document that is true for a truncated dump, and
// absent for any other.
const truncatedField = "truncated"

// todo is what is missing.
type todo struct {
	state UploadState
	send  bool // the dump is to be stored
}

// decide compares what is there with the file. Where neither is known to be whole, the
// larger one counts: it has the smaller one's bytes and more.
func (u *upload) decide(ctx context.Context, h *holding) (todo, error) {
	have, size := h.dump.Size, u.src.size
	// The headers of the file are those of what is there, too: the hash is theirs.
	whole := u.info.Exact && have >= u.info.Needed
	fileWhole := u.info.Exact && !u.info.Truncated()
	switch {
	case !h.hasDump && h.hasInfo:
		return todo{Restored, true}, nil
	case !h.hasDump:
		return todo{Stored, true}, nil
	case have > size && (h.hasInfo || !fileWhole):
		return todo{}, fmt.Errorf("%w: %s has %d bytes, this file %d", ErrDiffers, h.id.String()+"/"+h.name, have, size)
	case h.hasInfo && (have == size || whole):
		return todo{Present, false}, nil
	case h.hasInfo:
		return todo{Repaired, true}, nil
	case have == size:
		same, err := u.sameContent(ctx, h)
		return todo{Completed, !same}, err
	}
	return todo{Completed, true}, nil
}

// send stores the dump in place of old and makes sure that it is what the file
// holds.
func (u *upload) send(ctx context.Context, old store.Ref) (store.Ref, error) {
	if err := u.src.unchanged(); err != nil {
		return store.Ref{}, err
	}
	attr, err := u.c.store.Put(ctx, old, &sending{u.src.file, u.src.size, u.o.Progress}, u.src.size)
	if err != nil {
		return store.Ref{}, err
	}
	stored := store.Ref{Key: old.Key, ETag: attr.ETag}
	if err := u.src.unchanged(); err != nil {
		return store.Ref{}, errors.Join(err, u.c.store.Remove(context.WithoutCancel(ctx), stored))
	}
	return stored, nil
}

// alone makes sure that the dump just stored is the only one in its directory. If
// another upload stored it under another name meanwhile, ours goes.
func (u *upload) alone(ctx context.Context, h *holding, stored store.Ref) error {
	entries, err := u.c.listDir(ctx, h.id.String())
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return err
	}
	if _, other := pickUnfinished(without(entries, h.name), "", u.src.size); other {
		return u.yield(ctx, stored)
	}
	return nil
}

// yield takes what we stored away, if we did, because somebody else was first. The
// error has Upload look again at what is there.
func (u *upload) yield(ctx context.Context, stored store.Ref) error {
	if stored.ETag != "" {
		if err := u.c.store.Remove(ctx, stored); err != nil && !errors.Is(err, store.ErrNotExist) {
			return err
		}
	}
	return &store.Error{Op: "put", Key: stored.Key, Kind: store.ErrConflict}
}

// document stores the document, which makes a dump of it. stored is the dump if this
// upload stored it.
func (u *upload) document(ctx context.Context, h *holding, stored store.Ref) error {
	raw, _, err := document.Parse(u.describe(h, u.stack(ctx))).Apply(u.edits...)
	if err != nil {
		return err
	}
	at := u.c.now()
	attr, err := u.c.store.Put(ctx, store.Ref{Key: catalog.InfoKey(h.id)}, bytesAt(raw), int64(len(raw)))
	if errors.Is(err, store.ErrConflict) {
		theirs, err := u.look(ctx, h.id)
		if err != nil {
			return err
		}
		if theirs.name == h.name {
			stored = store.Ref{} // it is theirs as well
		}
		return u.yield(ctx, stored)
	}
	if err != nil {
		return err
	}
	u.c.setClock(attr.ModTime)
	u.c.changes.Add(h.id, attr.ETag)
	u.c.Stale(h.id)
	u.c.recordObservations(ctx, catalog.Observation{ID: h.id, At: at, Kind: catalog.Found, Dump: catalog.NewDump(h.id, raw, attr, "")})
	return nil
}

// learn notes a dump that was there.
func (u *upload) learn(ctx context.Context, h *holding) {
	u.c.Stale(h.id)
	u.c.recordObservations(ctx, catalog.Observation{ID: h.id, At: h.at, Kind: catalog.Found, Dump: h.stored})
}
