package manta

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"thothfs/store"
)

const (
	// mustNotExist is the If-Match value that creates an object and never replaces one. In
	// Manta the usual If-None-Match: * never creates.
	mustNotExist = `""`
	// maxParents is the maximum number of times that one Put creates missing parents, which
	// others may remove again.
	maxParents = 3
	// removalTime is the time limit for removing an object that was stored incorrectly.
	removalTime = 30 * time.Second
)

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, old store.Ref, src io.ReaderAt, size int64) (store.Attr, error) {
	const op = "put"
	if err := checkKey(op, old.Key); err != nil {
		return store.Attr{}, err
	}
	if old.Key == "" || size < 0 {
		return store.Attr{}, &store.Error{Op: op, Key: old.Key, Kind: store.ErrInvalid, Err: fmt.Errorf("an object of %d bytes", size)}
	}
	if err := ctx.Err(); err != nil {
		return store.Attr{}, err
	}
	body := newUploadBody(src, size)
	attr, err := s.put(ctx, old, body)
	if err != nil && body.failure() != nil {
		return store.Attr{}, fmt.Errorf("put %s: %w", old.Key, body.failure())
	}
	if err != nil {
		return store.Attr{}, failed(ctx, op, old.Key, err)
	}
	return attr, nil
}

// put stores the object and checks the result.
func (s *Store) put(ctx context.Context, old store.Ref, body *uploadBody) (store.Attr, error) {
	h, err := putHeader(old, body)
	if err != nil {
		return store.Attr{}, err
	}
	resp, err := s.putWithParents(ctx, old, apiRequest{method: http.MethodPut, path: s.path(old.Key), header: h, body: body})
	if err != nil {
		return store.Attr{}, err
	}
	resp.body.Close()
	attr := store.Attr{ETag: resp.header.Get("Etag"), Size: body.size, ModTime: lastModified(resp.header), MD5: body.md5()}
	stored := decodeMD5(resp.header.Get("Computed-MD5"))
	switch {
	case resp.status != http.StatusNoContent || attr.ETag == "" || stored == nil:
		// The object may or may not have been stored.
		return attr, &badAnswer{kind: store.ErrUnavailable, text: fmt.Sprintf("status %d without version or MD5 in answer to an upload", resp.status)}
	case !bytes.Equal(stored, attr.MD5):
		s.removeWrong(ctx, store.Ref{Key: old.Key, ETag: attr.ETag})
		return attr, corrupt("stored with MD5 %x instead of %x", stored, attr.MD5)
	}
	return attr, nil
}

// putHeader returns the headers for a PUT that replaces old.
func putHeader(old store.Ref, body *uploadBody) (http.Header, error) {
	h := http.Header{"Content-Type": {contentType(old.Key)}, "If-Match": {mustNotExist}}
	if old.ETag != "" {
		h.Set("If-Match", wireETag(old.ETag))
	}
	if body.size > eagerBody {
		h.Set("Expect", "100-continue")
	}
	if body.size > smallBody {
		return h, nil
	}
	// A small body is read twice, so that the server can refuse a damaged one and keep the
	// old version.
	if _, err := io.Copy(io.Discard, body); err != nil {
		return nil, err
	}
	h.Set("Content-MD5", base64.StdEncoding.EncodeToString(body.md5()))
	return h, nil
}

// contentType returns the type that the original Thoth uses for objects with such a name.
func contentType(key string) string {
	switch path.Ext(key) {
	case ".json":
		return "application/json"
	case ".txt", ".log":
		return "text/plain"
	}
	return "application/octet-stream"
}

// putWithParents makes the request r, and creates the parent directories if they are missing.
func (s *Store) putWithParents(ctx context.Context, old store.Ref, r apiRequest) (*response, error) {
	for try := 0; ; try++ {
		resp, err := s.do(ctx, r)
		if !noParent(err) {
			return resp, err
		}
		if old.ETag != "" || try == maxParents { // the version to replace does not exist
			return nil, &badAnswer{kind: store.ErrConflict, text: err.Error()}
		}
		if err := s.mkdirAll(ctx, parentOf(r.path)); err != nil {
			return nil, err
		}
	}
}

// parentOf returns the path of the parent directory. path.Dir would clean "..".
func parentOf(p string) string { return p[:strings.LastIndexByte(p, '/')] }

// noParent reports whether a PUT was refused because the parent directory is missing.
func noParent(err error) bool {
	e := asStatus(err)
	return e != nil && e.status == http.StatusNotFound && e.code == "DirectoryDoesNotExist"
}

// mkdirAll creates a missing directory and its missing parents.
func (s *Store) mkdirAll(ctx context.Context, dir string) error {
	for try := 0; ; try++ {
		err := s.mkdir(ctx, dir)
		parent := parentOf(dir)
		if !noParent(err) || try == maxParents || strings.Count(parent, "/") < 2 {
			return err
		}
		if err := s.mkdirAll(ctx, parent); err != nil {
			return err
		}
	}
}

// mkdir creates a directory. If there is an object with its name, Manta replaces the object with
// the directory, and no condition prevents that. So mkdir checks first, although a previous
// response has just said that nothing exists there.
func (s *Store) mkdir(ctx context.Context, dir string) error {
	attr, err := s.head(ctx, dir)
	e := asStatus(err)
	switch {
	case err == nil && attr.Dir:
		return nil
	case err == nil:
		return errObject
	case e == nil || e.kind(false) != store.ErrNotExist:
		return err
	}
	resp, err := s.do(ctx, apiRequest{method: http.MethodPut, path: dir, header: http.Header{
		"Content-Type": {"application/json; type=directory"},
	}})
	if err != nil {
		return err
	}
	return resp.body.Close()
}

// removeWrong removes an object that was stored incorrectly. It returns no error, since the
// caller reports a corrupt object in any case.
func (s *Store) removeWrong(ctx context.Context, ref store.Ref) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removalTime)
	defer cancel()
	if err := s.Remove(ctx, ref); err != nil && !errors.Is(err, store.ErrNotExist) {
		s.log.Warn("a wrongly stored object could not be removed", "key", ref.Key, "version", ref.ETag, "error", err)
	}
}

// Remove implements store.Store.
func (s *Store) Remove(ctx context.Context, ref store.Ref) error {
	const op = "remove"
	if err := checkKey(op, ref.Key); err != nil {
		return err
	}
	if ref.Key == "" {
		return &store.Error{Op: op, Key: ref.Key, Kind: store.ErrInvalid, Err: errors.New("the corpus itself stays")}
	}
	h := http.Header{}
	if ref.ETag != "" {
		h.Set("If-Match", wireETag(ref.ETag))
	}
	resp, err := s.do(ctx, apiRequest{method: http.MethodDelete, path: s.path(ref.Key), header: h})
	if err != nil {
		return failed(ctx, op, ref.Key, err)
	}
	return resp.body.Close()
}
