package fs

import (
	"context"
	"strings"

	"thothfs/corpus"
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
