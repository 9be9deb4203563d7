package fs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/dump"
	"thothfs/store"
)

// analyzersName is the directory of the scripts, in the mount and in the store.
const analyzersName = "analyzers"

// analyzerDir is analyzers: the corpus's scripts.
type analyzerDir struct{ shelfDir }

func (t *tree) analyzerDir() *analyzerDir {
	return &analyzerDir{shelfDir{dumpNode: t.dumpNode(dump.ID{}), shelf: &analyzerShelf{t}}}
}

func (d *analyzerDir) identity() fusefs.StableAttr {
	return identity(syscall.S_IFDIR, number(kindDir, analyzersName), analyzersName)
}

func (d *analyzerDir) attr(out *fuse.Attr) {
	_, changed := d.t.lastChange()
	d.t.attr(out, modeDir, 0, changed)
}

var _ fusefs.NodeGetattrer = (*analyzerDir)(nil)

// Getattr answers from memory.
func (d *analyzerDir) Getattr(ctx context.Context, h fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	d.attr(&out.Attr)
	return 0
}

// analyzerShelf is the objects of analyzers/ in the store.
type analyzerShelf struct{ t *tree }

func (s *analyzerShelf) key() string                                  { return analyzersName }
func (s *analyzerShelf) mode() uint32                                 { return modeScript }
func (s *analyzerShelf) isTemporary(_ context.Context, n string) bool { return isEditors(n) }

func (s *analyzerShelf) number(name string) fusefs.StableAttr {
	key := analyzersName + "/" + name
	return identity(syscall.S_IFREG, number(kindObject, key), key)
}

func (s *analyzerShelf) check(name string) error {
	_, err := analyzerOf(name)
	return err
}

// analyzerOf is the object that a file name stands for.
func analyzerOf(name string) (string, error) {
	object, err := keyOf(name)
	if err == nil && strings.HasPrefix(object, ownPrefix) {
		err = errName
	}
	return object, err
}

func (s *analyzerShelf) names(c context.Context) ([]string, error) {
	files, err := s.t.o.Corpus.Analyzers(c)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range files {
		if isShown(e) {
			all = append(all, FileName(e.Name))
		}
	}
	return all, nil
}

func (s *analyzerShelf) find(c context.Context, name string) (store.Entry, error) {
	files, err := s.t.o.Corpus.Analyzers(c)
	if err != nil {
		return store.Entry{}, err
	}
	return pickAnalyzer(files, name)
}

// findNow is find for who opens the script: the store is asked if what is known is old.
func (s *analyzerShelf) findNow(c context.Context, name string) (store.Entry, error) {
	files, err := s.t.o.Corpus.FilesNow(c, dump.ID{})
	if err != nil {
		return store.Entry{}, err
	}
	return pickAnalyzer(files, name)
}

func pickAnalyzer(files []store.Entry, name string) (store.Entry, error) {
	e, ok := findObject(files, name)
	if !ok {
		return e, notThere(analyzersName + "/" + name)
	}
	return e, nil
}

func (s *analyzerShelf) stat(c context.Context, name string) (int64, time.Time, error) {
	e, err := s.find(c, name)
	return e.Size, e.ModTime, err
}

// open opens the script that is there now: when what was listed has been replaced,
// it looks again.
func (s *analyzerShelf) open(c context.Context, name string) (fusefs.FileHandle, error) {
	data, err := s.read(c, name)
	if errors.Is(err, errFileTooBig) {
		e, err := s.find(c, name)
		if err != nil {
			return nil, err
		}
		h, _, err := s.object(e).open(c)
		return h, err
	}
	return &textHandle{data}, err
}

func (s *analyzerShelf) object(e store.Entry) *object {
	return new(s.t.object(dump.ID{}, analyzersName+"/"+e.Name, e, modeScript))
}

func (s *analyzerShelf) read(c context.Context, name string) ([]byte, error) {
	for again := true; ; again = false {
		e, err := s.findNow(c, name)
		if err != nil {
			return nil, err
		}
		data, err := s.contents(c, e)
		if !again || !errors.Is(err, store.ErrStale) && !errors.Is(err, store.ErrNotExist) {
			return data, err
		}
		s.forget()
	}
}

func (s *analyzerShelf) contents(c context.Context, e store.Entry) ([]byte, error) {
	if e.Size > maxFile {
		return nil, errFileTooBig
	}
	h, _, err := s.object(e).open(c)
	if err != nil {
		return nil, err
	}
	data := make([]byte, e.Size)
	switch h := h.(type) {
	case *blockHandle:
		defer h.file.Close()
		_, err = h.file.ReadAt(c, data, 0)
	case *localHandle:
		defer h.file.Close()
		_, err = h.file.ReadAt(data, 0)
	}
	return data, err
}

// forget has the next look at the directory ask the store.
func (s *analyzerShelf) forget() {
	if c, ok := s.t.o.Corpus.(staler); ok {
		c.Stale(dump.ID{})
	}
}

func (s *analyzerShelf) put(c context.Context, name string, data []byte, gone string) error {
	object, err := analyzerOf(name)
	if err == nil {
		err = s.t.o.Corpus.PutAnalyzer(how(c, "write analyzers/"+name), object, data)
	}
	if err == nil && gone != "" {
		err = s.remove(c, gone)
	}
	return badName(err)
}

func (s *analyzerShelf) remove(c context.Context, name string) error {
	object, err := analyzerOf(name)
	if err == nil {
		err = s.t.o.Corpus.RemoveAnalyzer(how(c, "unlink analyzers/"+name), object)
	}
	return badName(err)
}

func (s *analyzerShelf) rename(c context.Context, from, to string) error {
	old, oerr := analyzerOf(from)
	object, err := analyzerOf(to)
	if err = errors.Join(oerr, err); err == nil {
		err = s.t.o.Corpus.RenameAnalyzer(how(c, "rename analyzers/"+from+" to "+to), old, object)
	}
	return badName(err)
}

// badName is for a name that the store cannot hold.
func badName(err error) error {
	if errors.Is(err, store.ErrInvalid) {
		return fmt.Errorf("%w: %w", errName, err)
	}
	return err
}
