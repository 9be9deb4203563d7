package fs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"thothfs/corpus"
	"thothfs/dump"
	"thothfs/store"
)

// generatedFile is a file generated from the document: info.json or stack. A handle shows the
// document as it was at open.
type generatedFile struct {
	dumpNode
	fileID FileID
	// text returns the contents, or false if the document has none.
	text func(*corpus.Dump) ([]byte, bool)
}

// infoText returns info.json, byte for byte, ending in a newline.
func infoText(d *corpus.Dump) ([]byte, bool) { return d.Doc.Text(), true }

// stackText returns the stack, one frame per line.
func stackText(d *corpus.Dump) ([]byte, bool) {
	frames := d.Doc.Stack()
	if len(frames) == 0 {
		return nil, false
	}
	return []byte(strings.Join(frames, "\n") + "\n"), true
}

func (f *generatedFile) ID() FileID   { return f.fileID }
func (f *generatedFile) Path() string { return f.fileID.path() }

func (f *generatedFile) Attr(ctx context.Context) (Attr, error) {
	d, err := f.t.cached(ctx, f.dumpNode.id)
	if err != nil {
		return Attr{}, err
	}
	return f.attr(d)
}

func (f *generatedFile) attr(d *corpus.Dump) (Attr, error) {
	text, ok := f.text(d)
	if !ok {
		return Attr{}, ErrGone // it existed when the name was looked up
	}
	return attrOf(modeFile, int64(len(text)), d.ModTime), nil
}

// Open implements File. It first compares the document with the store if the last comparison is
// older than the attribute timeout.
func (f *generatedFile) Open(ctx context.Context, flags OpenFlags) (Handle, error) {
	if !flags.readOnly() {
		return nil, ErrReadOnly
	}
	d, err := f.t.current(ctx, f.dumpNode.id)
	if err != nil {
		return nil, err
	}
	text, ok := f.text(d)
	if !ok {
		return nil, notThere(f.Path())
	}
	f.t.counts.opens.Add(1)
	return &memoryHandle{text}, nil
}

// dmesgFile is the log of a Linux kernel, read from its dump when the file is opened. Before that,
// its size is 0.
type dmesgFile struct{ dumpNode }

// hasDmesg reports whether a dump is that of a Linux kernel, according to its document.
func hasDmesg(d *corpus.Dump) bool {
	return dump.Type(d.Doc.String("type")) == dump.Crash && slices.Contains([]string{"Linux vmcore", "kdump"}, d.Doc.String("format"))
}

func (f *dmesgFile) ID() FileID   { return FileID{kind: kindText, dump: f.id, name: dmesgName} }
func (f *dmesgFile) Path() string { return f.ID().path() }

func (f *dmesgFile) Attr(ctx context.Context) (Attr, error) {
	d, err := f.t.cached(ctx, f.id)
	if err != nil {
		return Attr{}, err
	}
	return f.attr(d), nil
}

func (f *dmesgFile) attr(d *corpus.Dump) Attr {
	a := attrOf(modeFile, f.t.kernelLogs.size(f.id), time.Unix(unixOf(d), 0))
	a.Volatile = true
	return a
}

// Open implements File. The error is ErrNotSupported if the dump does not contain the log.
func (f *dmesgFile) Open(ctx context.Context, flags OpenFlags) (Handle, error) {
	if !flags.readOnly() {
		return nil, ErrReadOnly
	}
	e, err := f.t.o.Corpus.DumpFile(ctx, f.id)
	if err != nil {
		return nil, err
	}
	o := f.t.objectFile(f.id, e, modeFile)
	text, ok := f.t.kernelLogs.find(o.ref)
	if !ok {
		if text, err = o.kernelLog(ctx); err != nil {
			return nil, o.fail(err)
		}
		f.t.kernelLogs.add(f.id, o.ref, text)
	}
	f.t.counts.opens.Add(1)
	return &memoryHandle{text}, nil
}

// kernelLog reads the kernel's log from the dump o.
func (o *objectFile) kernelLog(ctx context.Context) ([]byte, error) {
	h, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	defer h.Close(ctx)
	text, err := dump.KernelLog(&handleReader{ctx, h}, o.size)
	if errors.Is(err, dump.ErrNoLog) {
		return nil, errors.Join(ErrNotSupported, err)
	}
	return text, err
}

// handleReader is the io.ReaderAt of an open object.
type handleReader struct {
	ctx context.Context
	h   Handle
}

func (r *handleReader) ReadAt(p []byte, off int64) (n int, err error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	data, release, err := r.h.Read(r.ctx, p, off)
	n = copy(p, data)
	if release != nil {
		release()
	}
	return n, err
}

const (
	maxKernelLogs     = 16
	maxKernelLogBytes = 16 << 20 // of all
)

// kernelLogs holds the logs that were read last.
type kernelLogs struct {
	mu   sync.Mutex // guards list
	list []kernelLog
}

type kernelLog struct {
	id   dump.ID
	ref  store.Ref
	text []byte
}

func (k *kernelLogs) find(ref store.Ref) ([]byte, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range k.list {
		if l.ref == ref {
			return l.text, true
		}
	}
	return nil, false
}

// size returns the length of a dump's log, or 0 if it is not held.
func (k *kernelLogs) size(id dump.ID) int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range k.list {
		if l.id == id {
			return int64(len(l.text))
		}
	}
	return 0
}

// add adds a log that is not too long, and drops the oldest.
func (k *kernelLogs) add(id dump.ID, ref store.Ref, text []byte) {
	if len(text) > maxKernelLogBytes {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = slices.DeleteFunc(k.list, func(l kernelLog) bool { return l.id == id })
	total := len(text)
	for _, l := range k.list {
		total += len(l.text)
	}
	for len(k.list) > 0 && (total > maxKernelLogBytes || len(k.list) >= maxKernelLogs) {
		total -= len(k.list[0].text)
		k.list = slices.Delete(k.list, 0, 1)
	}
	k.list = append(k.list, kernelLog{id, ref, text})
}
