package fs

import (
	"context"
	"strings"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/corpus"
)

// textFile is a file whose contents are made from the document: info.json and stack.
// A handle shows the document as it was at open. It is read
// past the page cache, so that a change shows at the next open, whatever length
// the kernel remembers.
type textFile struct {
	dumpNode
	// text makes the contents, or says that the document has none.
	text func(*corpus.Dump) ([]byte, bool)
}

// infoText is info.json, byte for byte, ending in a newline.
func infoText(d *corpus.Dump) ([]byte, bool) { return d.Doc.Text(), true }

// stackText is the stack, one frame a line.
func stackText(d *corpus.Dump) ([]byte, bool) {
	frames := d.Doc.Stack()
	if len(frames) == 0 {
		return nil, false
	}
	return []byte(strings.Join(frames, "\n") + "\n"), true
}

var _ fusefs.NodeGetattrer = (*textFile)(nil)

func (f *textFile) Getattr(ctx context.Context, h fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	c := f.t.call(ctx)
	defer c.end()
	d, err := f.cached(c)
	if err != nil {
		return f.t.fail(c, "getattr", f.place(), err)
	}
	return f.attr(d, &out.Attr)
}

func (f *textFile) attr(d *corpus.Dump, out *fuse.Attr) syscall.Errno {
	text, ok := f.text(d)
	if !ok {
		return syscall.ESTALE // it was there when its name was looked up
	}
	f.t.attr(out, modeFile, int64(len(text)), d.ModTime)
	return 0
}

var _ fusefs.NodeOpener = (*textFile)(nil)

func (f *textFile) Open(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	if isWriting(flags) {
		return nil, 0, syscall.EROFS
	}
	c := f.t.call(ctx)
	defer c.end()
	d, err := f.document(c)
	if err != nil {
		return nil, 0, f.t.fail(c, "open", f.place(), err)
	}
	text, ok := f.text(d)
	if !ok {
		return nil, 0, syscall.ENOENT
	}
	f.t.counts.opens.Add(1)
	return &textHandle{text}, fuse.FOPEN_DIRECT_IO, 0
}

// textHandle is an open file whose contents are in memory.
type textHandle struct {
	text []byte
}

var _ fusefs.FileReader = (*textHandle)(nil)

func (h *textHandle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if off >= int64(len(h.text)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(h.text[off:min(int64(len(h.text)), off+int64(len(dest)))]), 0
}

var _ fusefs.FileLseeker = (*textHandle)(nil)

func (h *textHandle) Lseek(ctx context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	return seekData(int64(len(h.text)), off, whence)
}
