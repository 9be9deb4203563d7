package fs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"thothfs/dump"
	"thothfs/store"
)

// analyzersName is the directory of the scripts, in the tree and in the store.
const analyzersName = "analyzers"

// analyzersDir returns analyzers: the corpus's scripts.
func (t *Tree) analyzersDir() *writableDir {
	return &writableDir{
		t: t, backend: &analyzerFiles{t}, id: dirID(analyzersName),
		attr: func(context.Context) (Attr, error) {
			_, changed := t.lastChange()
			return attrOf(modeDir, 0, changed), nil
		},
	}
}

// analyzerFiles are the objects of analyzers/ in the store.
type analyzerFiles struct{ t *Tree }

func (s *analyzerFiles) key() string                                  { return analyzersName }
func (s *analyzerFiles) dump() (none dump.ID)                         { return none }
func (s *analyzerFiles) path() string                                 { return analyzersName }
func (s *analyzerFiles) mode() os.FileMode                            { return modeScript }
func (s *analyzerFiles) isTemporary(_ context.Context, n string) bool { return isEditorName(n) }

func (s *analyzerFiles) fileID(name string) FileID { return FileID{kind: kindObject, name: name} }

func (s *analyzerFiles) check(name string) error {
	_, err := analyzerOf(name)
	return err
}

// analyzerOf returns the name of the object that a file name stands for.
func analyzerOf(name string) (string, error) {
	object, err := keyOf(name)
	if err == nil && strings.HasPrefix(object, ownPrefix) {
		err = ErrBadName
	}
	return object, err
}

func (s *analyzerFiles) names(ctx context.Context) ([]string, error) {
	files, err := s.t.o.Corpus.Analyzers(ctx)
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

func (s *analyzerFiles) find(ctx context.Context, name string) (store.Entry, error) {
	files, err := s.t.o.Corpus.Analyzers(ctx)
	if err != nil {
		return store.Entry{}, err
	}
	return pickAnalyzer(files, name)
}

// findNow is find for an open: the list is compared with the store if it is old.
func (s *analyzerFiles) findNow(ctx context.Context, name string) (store.Entry, error) {
	files, err := s.t.o.Corpus.FilesNow(ctx, dump.ID{})
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

func (s *analyzerFiles) stat(ctx context.Context, name string) (int64, time.Time, error) {
	e, err := s.find(ctx, name)
	return e.Size, e.ModTime, err
}

// open opens the script that is there now: it is listed again if it was replaced.
func (s *analyzerFiles) open(ctx context.Context, name string) (Handle, error) {
	data, err := s.read(ctx, name)
	if errors.Is(err, ErrFileTooBig) {
		e, err := s.find(ctx, name)
		if err != nil {
			return nil, err
		}
		return s.t.objectFile(dump.ID{}, e, modeScript).open(ctx)
	}
	return &memoryHandle{data}, err
}

func (s *analyzerFiles) read(ctx context.Context, name string) ([]byte, error) {
	for again := true; ; again = false {
		e, err := s.findNow(ctx, name)
		if err != nil {
			return nil, err
		}
		data, err := s.contents(ctx, e)
		if !again || !errors.Is(err, store.ErrStale) && !errors.Is(err, ErrNotExist) {
			return data, err
		}
		s.t.o.Corpus.Stale(dump.ID{})
	}
}

func (s *analyzerFiles) contents(ctx context.Context, e store.Entry) ([]byte, error) {
	if e.Size > maxFile {
		return nil, ErrFileTooBig
	}
	h, err := s.t.objectFile(dump.ID{}, e, modeScript).open(ctx)
	if err != nil {
		return nil, err
	}
	defer h.Close(ctx)
	data := make([]byte, 0, e.Size)
	for int64(len(data)) < e.Size {
		part, release, err := h.Read(ctx, data[len(data):cap(data)], int64(len(data)))
		if err != nil {
			return nil, err
		}
		data = append(data, part...)
		if release != nil {
			release()
		}
	}
	return data, nil
}

func (s *analyzerFiles) put(ctx context.Context, name string, data []byte, gone string) error {
	object, err := analyzerOf(name)
	if err == nil {
		err = s.t.o.Corpus.PutAnalyzer(withOrigin(ctx, "write analyzers/"+name), object, data)
	}
	if err == nil && gone != "" {
		err = s.remove(ctx, gone)
	}
	return badName(err)
}

func (s *analyzerFiles) remove(ctx context.Context, name string) error {
	object, err := analyzerOf(name)
	if err == nil {
		err = s.t.o.Corpus.RemoveAnalyzer(withOrigin(ctx, "unlink analyzers/"+name), object)
	}
	return badName(err)
}

func (s *analyzerFiles) rename(ctx context.Context, from, to string) error {
	old, oerr := analyzerOf(from)
	object, err := analyzerOf(to)
	if err = errors.Join(oerr, err); err == nil {
		err = s.t.o.Corpus.RenameAnalyzer(withOrigin(ctx, "rename analyzers/"+from+" to "+to), old, object)
	}
	return badName(err)
}

// badName turns the error for a key that the store cannot hold into ErrBadName.
func badName(err error) error {
	if errors.Is(err, store.ErrInvalid) {
		return fmt.Errorf("%w: %w", ErrBadName, err)
	}
	return err
}
