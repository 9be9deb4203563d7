package mantatest

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// PutObject stores data at path ("/alice/stor/x") without HTTP. It creates the parent directories
// and returns the new ETag.
func (s *Server) PutObject(path string, data []byte) (etag string, err error) {
	p, err := s.directPath(path)
	if err != nil {
		return "", err
	}
	if err := s.tree.mkdirAll(p.dir()); err != nil {
		return "", err
	}
	tmp := filepath.Join(s.tree.root, reserved, "tmp", newUUID())
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return "", err
	}
	sum := md5.Sum(data)
	rec := &record{
		Name: p.base(), ETag: newUUID(), Durability: defaultDurability, MTime: s.now(),
		ContentType: octetStream, MD5: base64.StdEncoding.EncodeToString(sum[:]),
	}
	return rec.ETag, s.tree.commit(p, tmp, rec, nil)
}

// mkdirAll creates the directory p and its missing parents.
func (t *tree) mkdirAll(p path) error {
	if r, err := t.lookup(p); err != nil || r != nil {
		return err
	}
	if err := t.mkdirAll(p.dir()); err != nil {
		return err
	}
	return t.mkdir(p, nil)
}

// Object returns the content and the ETag of the object at path.
func (s *Server) Object(path string) (data []byte, etag string, err error) {
	p, err := s.directPath(path)
	if err != nil {
		return nil, "", err
	}
	rec, f, err := s.tree.open(p)
	if err != nil {
		return nil, "", err
	}
	if f == nil {
		return nil, "", notFound(p)
	}
	defer f.Close()
	var b bytes.Buffer
	_, err = io.Copy(&b, f)
	return b.Bytes(), rec.ETag, err
}

// Remove removes the object or empty directory at path without HTTP.
func (s *Server) Remove(path string) error {
	p, err := s.directPath(path)
	if err != nil {
		return err
	}
	return s.tree.remove(p, nil)
}

// Mkdir creates the directory at path, whose parent must exist, without HTTP.
func (s *Server) Mkdir(path string) error {
	p, err := s.directPath(path)
	if err != nil {
		return err
	}
	return s.tree.mkdir(p, nil)
}

// directPath parses an unescaped path below a root.
func (s *Server) directPath(text string) (path, error) {
	p, err := s.splitPath(text)
	if err == nil && len(p) < 3 {
		err = fmt.Errorf("%s is not below a root", text)
	}
	return p, err
}
