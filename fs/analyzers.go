package fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"thothfs/dump"
	"thothfs/store"
)

// analyzersName is the directory of the analyzer scripts, both in the tree and in the store.
const analyzersName = "analyzers"

// analyzersDir returns the directory analyzers, which holds the corpus's scripts.
func (t *Tree) analyzersDir() *writableDir {
	return &writableDir{
		t: t, backend: &analyzerFiles{t}, key: analyzersName, mode: modeScript,
		id: dirID(analyzersName), fileID: FileID{kind: kindObject},
	}
}

// analyzerFiles is the backend for the objects under analyzers/ in the store.
type analyzerFiles struct{ t *Tree }

func (s *analyzerFiles) isTemporary(_ context.Context, n string) bool { return isEditorName(n) }

func (s *analyzerFiles) modTime(context.Context) (time.Time, error) {
	_, changed := s.t.lastChange()
	return changed, nil
}

// check also rejects the names of thothfs's own objects, which are never shown to clients.
func (s *analyzerFiles) check(name string) error {
	object, err := keyOf(name)
	if err == nil && strings.HasPrefix(object, ownPrefix) {
		err = ErrBadName
	}
	return err
}

// objectOf returns the name of a file's object. The name must be valid.
func objectOf(name string) string {
	key, _ := keyOf(name)
	return key
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

// find returns the object of a file. If now is set and the list is old, it first compares the list
// with the store.
func (s *analyzerFiles) find(ctx context.Context, name string, now bool) (e store.Entry, err error) {
	var files []store.Entry
	if now {
		files, err = s.t.o.Corpus.FilesNow(ctx, dump.ID{})
	} else {
		files, err = s.t.o.Corpus.Analyzers(ctx)
	}
	if err != nil {
		return e, err
	}
	e, ok := findObject(files, name)
	if !ok {
		err = notThere(analyzersName + "/" + name)
	}
	return e, err
}

func (s *analyzerFiles) stat(ctx context.Context, name string) (int64, time.Time, error) {
	e, err := s.find(ctx, name, false)
	return e.Size, e.ModTime, err
}

func (s *analyzerFiles) open(ctx context.Context, name string) (Handle, error) {
	data, err := s.read(ctx, name)
	if errors.Is(err, ErrFileTooBig) {
		e, err := s.find(ctx, name, false)
		if err != nil {
			return nil, err
		}
		return s.t.objectFile(dump.ID{}, e, modeScript).open(ctx)
	}
	return &memoryHandle{data}, err
}

// read reads the current version of the script. If the object was replaced, it lists the directory
// again.
func (s *analyzerFiles) read(ctx context.Context, name string) ([]byte, error) {
	for again := true; ; again = false {
		e, err := s.find(ctx, name, true)
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
	data, release, err := h.Read(ctx, make([]byte, e.Size), 0)
	if release != nil {
		defer release()
		data = bytes.Clone(data)
	}
	return data, err
}

func (s *analyzerFiles) put(ctx context.Context, name string, data []byte, gone string) error {
	err := s.t.o.Corpus.PutAnalyzer(withOrigin(ctx, "write analyzers/"+name), objectOf(name), data)
	if err == nil && gone != "" {
		err = s.remove(ctx, gone)
	}
	return badName(err)
}

func (s *analyzerFiles) remove(ctx context.Context, name string) error {
	return badName(s.t.o.Corpus.RemoveAnalyzer(withOrigin(ctx, "unlink analyzers/"+name), objectOf(name)))
}

func (s *analyzerFiles) rename(ctx context.Context, from, to string) error {
	ctx = withOrigin(ctx, "rename analyzers/"+from+" to "+to)
	return badName(s.t.o.Corpus.RenameAnalyzer(ctx, objectOf(from), objectOf(to)))
}

// badName wraps the error for a key that the store cannot hold in ErrBadName.
func badName(err error) error {
	if errors.Is(err, store.ErrInvalid) {
		return fmt.Errorf("%w: %w", ErrBadName, err)
	}
	return err
}
