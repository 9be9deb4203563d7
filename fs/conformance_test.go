package fs_test

import (
	"bytes"
	"context"
	"errors"
	"path"
	"testing"

	"thothfs/dump/document"
	"thothfs/fs"
	"thothfs/fs/treetest"
)

// directView calls the tree directly, without a protocol.
type directView struct{ tree *fs.Tree }

func newDirectView(t *testing.T, o fs.Options) treetest.View {
	t.Helper()
	tree, err := fs.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tree.Close)
	return directView{tree}
}

var background = context.Background()

func (v directView) Is(err, kind error) bool { return errors.Is(err, kind) }

func (v directView) Stat(name string) (treetest.Info, error) {
	n, err := v.tree.Walk(background, name)
	if err != nil {
		return treetest.Info{}, err
	}
	a, err := n.Attr(background)
	return treetest.Info{Mode: a.Mode, Size: a.Size, Ino: n.ID().Ino()}, err
}

func (v directView) dir(name string) (fs.Dir, error) {
	n, err := v.tree.Walk(background, name)
	if err != nil {
		return nil, err
	}
	d, ok := n.(fs.Dir)
	if !ok {
		return nil, fs.ErrNotDir
	}
	return d, nil
}

func (v directView) ReadDir(name string) ([]fs.DirEntry, error) {
	d, err := v.dir(name)
	if err != nil {
		return nil, err
	}
	l, err := d.List(background)
	if err != nil {
		return nil, err
	}
	if g, ok := l.(fs.GrowingListing); ok {
		for more := true; more; {
			if more, err = g.Grow(background); err != nil {
				return nil, err
			}
		}
	}
	var all []fs.DirEntry
	for i := range l.Len() {
		all = append(all, l.At(i))
	}
	return all, nil
}

func (v directView) open(name string, flags fs.OpenFlags) (fs.Handle, error) {
	n, err := v.tree.Walk(background, name)
	if err != nil {
		return nil, err
	}
	return n.(fs.File).Open(background, flags)
}

func (v directView) ReadAt(name string, p []byte, off int64) (int, error) {
	h, err := v.open(name, fs.OpenFlags{})
	if err != nil {
		return 0, err
	}
	defer h.Close(background)
	data, release, err := h.Read(background, p, off)
	if err != nil {
		return 0, err
	}
	if release != nil {
		defer release()
	}
	return copy(p, data), nil
}

func (v directView) ReadFile(name string) ([]byte, error) {
	var all bytes.Buffer
	for p := make([]byte, 64<<10); ; {
		n, err := v.ReadAt(name, p, int64(all.Len()))
		if err != nil || n == 0 {
			return all.Bytes(), err
		}
		all.Write(p[:n])
	}
}

func (v directView) Readlink(name string) (string, error) {
	n, err := v.tree.Walk(background, name)
	if err != nil {
		return "", err
	}
	return n.(fs.Link).Target(), nil
}

// change calls do with the directory that contains name.
func (v directView) change(name string, do func(d fs.WritableDir, base string) error) error {
	d, err := v.dir(path.Dir(name))
	if path.Dir(name) == "." {
		d, err = v.tree.Root(), nil
	}
	if err != nil {
		return err
	}
	w, ok := d.(fs.WritableDir)
	if !ok {
		return fs.ErrReadOnly
	}
	return do(w, path.Base(name))
}

func (v directView) WriteFile(name string, data []byte) error {
	flags := fs.OpenFlags{Write: true, Truncate: true}
	h, err := v.open(name, flags)
	if errors.Is(err, fs.ErrNotExist) {
		err = v.change(name, func(d fs.WritableDir, base string) error {
			_, h, err = d.Create(background, base, flags)
			return err
		})
	}
	if err != nil {
		return err
	}
	w := h.(fs.WriteHandle)
	if err = w.Write(background, data, 0); err == nil {
		err = w.Commit(background, true)
	}
	return errors.Join(err, h.Close(background))
}

func (v directView) Mkdir(name string) error {
	return v.change(name, func(d fs.WritableDir, base string) error {
		_, err := d.Mkdir(background, base)
		return err
	})
}

func (v directView) Symlink(target, name string) error {
	return v.change(name, func(d fs.WritableDir, base string) error {
		_, err := d.Symlink(background, target, base)
		return err
	})
}

func (v directView) Remove(name string) error {
	return v.change(name, func(d fs.WritableDir, base string) error { return d.Remove(background, base) })
}

func (v directView) RemoveDir(name string) error {
	return v.change(name, func(d fs.WritableDir, base string) error { return d.RemoveDir(background, base) })
}

func (v directView) Rename(from, to string) error {
	target, err := v.dir(path.Dir(to))
	if err != nil {
		return err
	}
	return v.change(from, func(d fs.WritableDir, base string) error {
		return d.Rename(background, base, target, path.Base(to), false)
	})
}

func (v directView) Getxattr(name, attr string) (string, error) {
	n, err := v.tree.Walk(background, name)
	if err != nil {
		return "", err
	}
	return v.tree.Getxattr(background, n, attr)
}

func (v directView) Setxattr(name, attr, value string) error {
	n, err := v.tree.Walk(background, name)
	if err != nil {
		return err
	}
	return v.tree.Setxattr(background, n, attr, value, document.Always)
}

// The tree passes the conformance tests without a protocol.
func TestConformance(t *testing.T) { treetest.Run(t, newDirectView) }
