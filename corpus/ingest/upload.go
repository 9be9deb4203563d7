// Package ingest stores files in a corpus: dumps with the documents that describe them, and other
// files beside a dump.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
)

// Options specify how to upload a dump.
type Options struct {
	Node, Platform string    // "" to take it from the dump or the file
	Time           time.Time // zero to take it from the dump or the file
	// Ticket, if not "", and Set are edits of the document. A new document is stored with them
	// applied.
	Ticket string
	Set    []document.Edit
	// Force stores a truncated file that does not even contain which process it is of.
	Force bool
	// Stack returns the stack of the dump at path, a local uncompressed file. The document has no
	// stack if Stack is nil, fails, or returns none.
	Stack func(ctx context.Context, path string, info *dump.Info) ([]string, error)
	// Pack returns the hot pack of the object version ref; src reads its content, size bytes in
	// all. No pack is stored if Pack is nil or fails.
	Pack func(ref store.Ref, src io.ReaderAt, size int64) ([]byte, error)
	// DataMap returns what to store as corpus.DataMapName for the object version ref; src reads its
	// content, size bytes in all. Nothing is stored if DataMap is nil or fails.
	DataMap func(ctx context.Context, ref store.Ref, src io.ReaderAt, size int64) ([]byte, error)
	// File, if not nil, is uploaded instead of the file at the path, which is then only its name. The
	// caller closes it.
	File *os.File
	// TempDir is the directory in which compressed dumps are unpacked. "" means os.TempDir().
	TempDir string
	// Progress, if not nil, is called with the number of bytes of the dump that have been sent. It
	// starts over at 0 if they are sent again.
	Progress func(done, total int64)

	host func() host // replaces thisHost in tests
	// journal replaces journalOrigin in tests.
	journal func(ctx context.Context, base string) dump.Origin
}

// State describes what an upload did, as text for users.
type State string

// The states of an upload.
const (
	Stored    State = "stored"
	Present   State = "is already there"                       // nothing was sent
	Completed State = "completed an interrupted upload"        // a complete or partial dump had no document
	Repaired  State = "replaced the truncated copy"            // with a longer one
	Restored  State = "put back, its document was still there" // the dump had been purged
)

// Result is the result of an upload.
type Result struct {
	ID    dump.ID
	Key   string // key of the dump
	Size  int64  // size of the dump, unpacked
	State State
	Info  *dump.Info
	// Changed are the paths of the document that Options changed; nil if the document is new.
	Changed []string
}

var (
	// ErrDiffers means that the corpus contains a larger copy of the dump, so the file is probably
	// truncated. Nothing was stored.
	ErrDiffers = errors.New("the corpus holds a larger copy of this dump")
	// ErrTooShort means that the file is cut before what says which process it is of, so that it is
	// of no use. Options.Force stores it anyway.
	ErrTooShort = errors.New("the file is cut before the notes that name its process")
	// ErrChanged means that the file changed during the upload. Whatever was stored of it has been
	// removed.
	ErrChanged = errors.New("the file changed while it was read")
)

// Upload stores the dump in the file at path, together with a document, under its hash. It unpacks
// a compressed file first. It completes an interrupted upload and replaces a truncated copy, but
// never a whole dump. The document is stored last, so a failed upload leaves nothing that looks
// like a dump; another attempt completes it.
//
// Options that concern a document apply to one that exists too.
//
// Errors are ErrDiffers, ErrTooShort and ErrChanged, or come from the store, dump.Inspect, Corpus.Edit or the
// file system. store.ErrConflict means that others keep changing the same dump.
func Upload(ctx context.Context, c *corpus.Corpus, path string, o Options) (Result, error) {
	src, err := openSource(ctx, path, o.File, o.TempDir)
	if err != nil {
		return Result{}, err
	}
	defer src.close()
	u := &upload{Options: o, corpus: c, store: c.Options().Store, src: src, edits: o.Set}
	if o.Ticket != "" {
		u.edits = append(slices.Clone(o.Set), document.Set("ticket", o.Ticket))
	}
	if err := corpus.CheckWritable(u.edits); err != nil {
		return Result{}, err
	}
	if u.info, err = dump.Inspect(src.file, src.size); err != nil {
		return Result{}, err
	}
	if u.info.Truncated() && u.info.Type == dump.Core && len(u.info.Threads) == 0 && !u.info.HasPID && !o.Force {
		return Result{}, fmt.Errorf("%w: it has %d bytes of at least %d", ErrTooShort, src.size, u.info.Needed)
	}
	u.origins = append(src.origins(), u.fromJournal(ctx))
	res := Result{ID: u.info.ID, Size: src.size, Info: u.info}
	for tries := 3; ; tries-- {
		err := u.run(ctx, &res)
		if !errors.Is(err, store.ErrConflict) || tries == 1 {
			return res, err
		}
	}
}

// upload is an upload in progress.
type upload struct {
	Options
	corpus *corpus.Corpus
	store  store.Store
	src    *source
	info   *dump.Info
	edits  []document.Edit
	// origins are what the file's attributes, its name and the journal say about the dump.
	origins []dump.Origin
}

// run compares the corpus with the file and stores what is missing. It returns store.ErrConflict if
// another client has changed the corpus in the meantime.
func (u *upload) run(ctx context.Context, res *Result) error {
	x, err := u.find(ctx)
	if err != nil {
		return err
	}
	res.ID, res.Key = x.ID, x.key()
	p, err := u.plan(ctx, x)
	if err != nil {
		return err
	}
	res.State = p.state
	if err := u.checkEdits(x); err != nil {
		return err
	}
	var stored store.Ref
	if p.send {
		if stored, err = u.send(ctx, store.Ref{Key: res.Key, ETag: x.object.ETag}); err != nil {
			return err
		}
		u.storePack(ctx, stored)
		u.corpus.FilesChanged(ctx, x.ID)
	}
	if x.Dump != nil {
		return u.amend(ctx, x, p, res)
	}
	if p.state == Stored {
		if err := u.checkAlone(ctx, x, stored); err != nil {
			return err
		}
	}
	return u.create(ctx, x, stored)
}

// amend applies the options to the document that exists, and corrects what it says of the dump.
func (u *upload) amend(ctx context.Context, x *existing, p plan, res *Result) error {
	u.corpus.Adopt(ctx, x.Directory)
	asked := append(u.described(), u.edits...)
	edits := append(slices.Clone(asked), u.correct(x, p)...)
	if len(edits) == 0 {
		return nil
	}
	_, err := u.corpus.Amend(ctx, x.ID, edits...)
	for _, e := range asked {
		if _, changed, failed := x.Dump.Doc.Apply(e); err == nil && failed == nil && changed && !strings.HasPrefix(e.Path, sourcePrefix) {
			res.Changed = append(res.Changed, e.Path)
		}
	}
	return err
}

// described returns the edits of a document that exists for the node, the platform and the time
// among the options.
func (u *upload) described() (edits []document.Edit) {
	set := func(name string, value []byte) {
		edits = append(edits, document.Edit{Path: name, Value: value}, document.Set(sourcePrefix+name, "option"))
	}
	if u.Node != "" {
		set("node", document.TextValue(u.Node))
	}
	if u.Platform != "" {
		set("platform", document.TextValue(u.Platform))
	}
	if !u.Time.IsZero() {
		set("time", document.Seconds(u.Time))
	}
	return edits
}

// checkEdits reports errors in the edits before much data is sent.
func (u *upload) checkEdits(x *existing) error {
	switch {
	case x.Unreadable():
		return nil // Amend returns the error
	case x.Dump != nil:
		_, _, err := x.Dump.Doc.Apply(append(u.described(), u.edits...)...)
		return err
	}
	_, _, err := document.Parse(u.newDocument(x, nil)).Apply(u.edits...)
	return err
}

// sourcePrefix is the prefix of the properties that say where a field comes from.
const sourcePrefix = "properties.source."

// truncatedField is true in the document of a truncated dump and absent from all others.
const truncatedField = "truncated"

// correct returns the edits that correct what the document says of the dump that is now in the
// corpus: truncatedField and, if this upload stored the dump, the facts that it states. Refresh
// adds the others.
func (u *upload) correct(x *existing, p plan) []document.Edit {
	doc := x.Dump.Doc
	if x.Unreadable() || doc.Damage() != "" {
		return nil
	}
	var edits []document.Edit
	if p.send {
		stated := slices.DeleteFunc(facts(u.info, nil), func(m document.Member) bool { _, ok := doc.Get(m.Name); return !ok })
		edits = factEdits(doc, stated)
	}
	return append(edits, truncatedEdits(doc, u.info.Truncated() && (p.send || x.object.Size == u.src.size))...)
}

// truncatedEdits returns the edit that corrects truncatedField, if it is wrong.
func truncatedEdits(doc *document.Document, truncated bool) []document.Edit {
	switch _, said := doc.Get(truncatedField); {
	case said == truncated:
		return nil
	case truncated:
		return []document.Edit{{Path: truncatedField, Value: []byte("true")}}
	}
	return []document.Edit{document.Unset(truncatedField)}
}

// plan is what an upload must do.
type plan struct {
	state State
	send  bool // store the dump
}

// plan compares what exists with the file. If neither is known to be whole, the larger one is kept,
// because it contains all bytes of the smaller one.
func (u *upload) plan(ctx context.Context, x *existing) (plan, error) {
	have, size := x.object.Size, u.src.size
	// The hash covers the headers, so the existing dump has the same headers as the file.
	whole := u.info.Exact && have >= u.info.Needed
	fileWhole := u.info.Exact && !u.info.Truncated()
	switch {
	case !x.hasObject && x.Dump != nil:
		return plan{Restored, true}, nil
	case !x.hasObject:
		return plan{Stored, true}, nil
	case have > size && (x.Dump != nil || !fileWhole):
		return plan{}, fmt.Errorf("%w: %s has %d bytes, this file %d", ErrDiffers, x.key(), have, size)
	case x.Dump != nil && (have == size || whole):
		return plan{Present, false}, nil
	case x.Dump != nil:
		return plan{Repaired, true}, nil
	case have == size:
		same, err := u.sameContent(ctx, x)
		return plan{Completed, !same}, err
	}
	return plan{Completed, true}, nil
}

// send stores the dump, replacing old. If the file has changed, it removes the dump again.
func (u *upload) send(ctx context.Context, old store.Ref) (store.Ref, error) {
	if err := u.src.checkUnchanged(); err != nil {
		return store.Ref{}, err
	}
	attr, err := u.store.Put(ctx, old, store.TrackReads(u.src.file, u.src.size, u.Progress), u.src.size)
	if err != nil {
		return store.Ref{}, err
	}
	stored := store.Ref{Key: old.Key, ETag: attr.ETag}
	if err := u.src.checkUnchanged(); err != nil {
		return store.Ref{}, errors.Join(err, u.store.Remove(context.WithoutCancel(ctx), stored))
	}
	return stored, nil
}

// storePack stores the hot pack and the data map of a dump. If that fails, the dump is only slower to
// open and to fetch.
func (u *upload) storePack(ctx context.Context, stored store.Ref) {
	if u.src.size < corpus.MinHotPacked {
		return
	}
	if u.Pack != nil {
		pack, err := u.Pack(stored, u.src.file, u.src.size)
		u.storeBeside(ctx, stored, corpus.HotPackName, pack, err)
	}
	if u.DataMap != nil {
		m, err := u.DataMap(ctx, stored, u.src.file, u.src.size)
		if err == nil {
			err = u.src.checkUnchanged() // else the map is that of another content
		}
		u.storeBeside(ctx, stored, corpus.DataMapName, m, err)
	}
}

// storeBeside stores data beside a dump, unless err is not nil.
func (u *upload) storeBeside(ctx context.Context, stored store.Ref, name string, data []byte, err error) {
	if err == nil {
		err = store.Overwrite(ctx, u.store, path.Dir(stored.Key)+"/"+name, data)
	}
	if err != nil {
		u.corpus.Options().Log.Info("not stored", "object", name, "key", stored.Key, "error", err)
	}
}

// checkAlone withdraws the dump if another upload has stored it under another name.
func (u *upload) checkAlone(ctx context.Context, x *existing, stored store.Ref) error {
	d, err := u.corpus.Directory(ctx, x.ID)
	if err != nil {
		return err
	}
	if _, other := pickUnfinished(without(d.Entries, x.name), "", u.src.size); other {
		return u.withdraw(ctx, stored)
	}
	return nil
}

// withdraw removes the dump stored, if this upload stored it, because another upload was first. It
// returns store.ErrConflict, so that Upload starts over.
func (u *upload) withdraw(ctx context.Context, stored store.Ref) error {
	if stored.ETag != "" {
		if err := u.store.Remove(ctx, stored); err != nil && !errors.Is(err, store.ErrNotExist) {
			return err
		}
	}
	return &store.Error{Op: "put", Key: stored.Key, Kind: store.ErrConflict}
}

// checkThere returns store.ErrConflict, so that Upload starts over, if the dump has been deleted before
// its document was stored, as by emptying the trash.
func (u *upload) checkThere(ctx context.Context, x *existing) error {
	if _, err := u.store.Stat(ctx, x.key()); errors.Is(err, store.ErrNotExist) {
		return &store.Error{Op: "put", Key: x.key(), Kind: store.ErrConflict}
	}
	return nil // other errors are no reason to fail: everything is stored
}

// create stores the document, which turns the directory into a dump. stored is the dump if this
// upload stored it.
func (u *upload) create(ctx context.Context, x *existing, stored store.Ref) error {
	raw, _, err := document.Parse(u.newDocument(x, u.stack(ctx))).Apply(u.edits...)
	if err != nil {
		return err
	}
	err = u.corpus.Create(ctx, x.ID, raw)
	switch {
	case err == nil:
		return u.checkThere(ctx, x)
	case !errors.Is(err, store.ErrConflict):
		return err
	}
	theirs, err := u.look(ctx, x.ID)
	if err != nil {
		return err
	}
	if theirs.name == x.name {
		stored = store.Ref{} // their document describes this dump
	}
	return u.withdraw(ctx, stored)
}
