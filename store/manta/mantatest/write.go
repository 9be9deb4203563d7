package mantatest

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// maxContentLength is the size limit for a chunked upload that sets none itself.
const maxContentLength = int64(51200) << 20

var errRootOperation = apiErrorf(http.StatusBadRequest, "OperationNotAllowedOnRootDirectory", "not allowed on a root directory")

// put serves PUT, which stores an object, a directory, or new metadata.
func (s *Server) put(w http.ResponseWriter, r *http.Request, p path) error {
	dir, link := isDirectoryType(r.Header.Get("Content-Type"))
	switch {
	case len(p) == 1:
		return errRootOperation
	case r.URL.Query().Get("metadata") != "":
		return s.putMetadata(w, r, p)
	case link:
		return apiErrorf(http.StatusForbidden, "SnaplinksDisabledError", "snaplinks have been disabled for this account")
	case dir:
		return s.putDirectory(w, r, p)
	case p.isRoot() && r.Header.Get("Content-Type") != "":
		s.setLoaded(w.Header(), p)
		return errRootOperation
	}
	return s.putObject(w, r, p)
}

func (s *Server) putDirectory(w http.ResponseWriter, r *http.Request, p path) error {
	s.setLoaded(w.Header(), p) // describes the old object, even in the response to its replacement
	if err := s.tree.mkdir(p, userHeaders(r, p)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) putMetadata(w http.ResponseWriter, r *http.Request, p path) error {
	for _, name := range []string{"Content-Length", "Content-MD5", "durability-level"} {
		if r.Header.Get(name) != "" {
			e := apiErrorf(http.StatusBadRequest, "InvalidUpdate", "overwrite of %q forbidden", strings.ToLower(name))
			e.close = true // otherwise net/http would wait for a body that may never come
			return e
		}
	}
	rec, err := s.tree.lookup(p)
	if err != nil {
		return err
	}
	if rec == nil {
		return notFound(p)
	}
	setVersion(w.Header(), rec)
	if !rec.Dir {
		if err := checkConditions(r, rec); err != nil {
			return err
		}
	}
	err = s.tree.update(p, func(rec *record) {
		rec.Headers, rec.MTime = userHeaders(r, p), s.now()
		if ct := r.Header.Get("Content-Type"); ct != "" && !rec.Dir {
			rec.ContentType = contentType(ct)
		}
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// putObject stores an object.
func (s *Server) putObject(w http.ResponseWriter, r *http.Request, p path) error {
	rec, sum, err := s.newObject(r, p)
	if err != nil {
		return err
	}
	base, err := s.checkTarget(w, r, p)
	if err != nil {
		return err
	}
	limit, err := uploadLimit(r)
	if err != nil {
		return err
	}
	tmp, got, err := s.receive(w, r, limit)
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails after a commit
	if sum != nil && tmp.size > 0 && !bytes.Equal(sum, got) {
		return apiErrorf(http.StatusBadRequest, "ContentMD5Mismatch", "Content-MD5 expected to be %s, but was %s",
			base64.StdEncoding.EncodeToString(sum), base64.StdEncoding.EncodeToString(got))
	}
	rec.MD5, rec.MTime = base64.StdEncoding.EncodeToString(got), s.now()
	if err := s.tree.commit(p, tmp.Name(), rec, base); err != nil {
		return err
	}
	setVersion(w.Header(), rec)
	w.Header().Set("Computed-MD5", rec.MD5)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// newObject returns the record of the object that r will store, and the checksum that r contains
// for its body.
func (s *Server) newObject(r *http.Request, p path) (*record, []byte, error) {
	sum, err := contentMD5(r)
	if err != nil {
		return nil, nil, err
	}
	copies, err := durability(r)
	if err != nil {
		return nil, nil, err
	}
	rec := &record{
		Name: p.base(), ETag: newUUID(), Durability: copies,
		ContentType: contentType(r.Header.Get("Content-Type")), Headers: userHeaders(r, p),
	}
	d, err := disposition(r.Header.Get("Content-Disposition"))
	if err != nil {
		return nil, nil, err
	}
	if d != "" {
		rec.Headers["content-disposition"] = d
	}
	return rec, sum, nil
}

// checkTarget checks that p may be written, before the body is read. It returns the version that
// commit must still find; nil means any.
func (s *Server) checkTarget(w http.ResponseWriter, r *http.Request, p path) (*string, error) {
	old, err := s.tree.lookup(p)
	if err != nil {
		return nil, err
	}
	setVersion(w.Header(), old)
	if old != nil && old.Dir {
		if saysLength(r) || r.Header.Get("Content-MD5") != "" || r.Header.Get("durability-level") != "" {
			return nil, apiErrorf(http.StatusBadRequest, "InvalidUpdate", "overwrite of \"content-length\" forbidden on a directory")
		}
		return nil, checkOverwrite(p, old, nil)
	}
	if err := checkConditions(r, old); err != nil {
		return nil, err
	}
	return commitBase(r, old), s.tree.checkParent(p)
}

func (t *tree) checkParent(p path) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.parentLocked(p)
}

// saysLength reports whether r has a Content-Length.
func saysLength(r *http.Request) bool { return r.Header.Get("Content-Length") != "" }

// uploadLimit returns the maximum length of the body.
func uploadLimit(r *http.Request) (int64, error) {
	h := r.Header.Get("max-content-length")
	if r.ContentLength >= 0 || h == "" {
		return max(r.ContentLength, maxContentLength), nil
	}
	n, err := strconv.ParseInt(h, 10, 64)
	if err != nil || n < 0 {
		return 0, apiErrorf(http.StatusBadRequest, "InvalidMaxContentLength", "max-content-length is invalid: %s", h)
	}
	return n, nil
}

// uploadedFile is a file with the body of an upload.
type uploadedFile struct {
	*os.File
	size int64
}

// receive writes the body, at most limit bytes, to a file. It returns the file, which is closed
// and which the caller must remove, and its MD5.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, limit int64) (*uploadedFile, []byte, error) {
	f, err := os.Create(filepath.Join(s.tree.root, reserved, "tmp", newUUID()))
	if err != nil {
		return nil, nil, err
	}
	h := md5.New()
	body := &uploadReader{s: s, r: r, rc: http.NewResponseController(w), line: sender{line: &s.up}}
	n, err := io.CopyBuffer(io.MultiWriter(f, h), io.LimitReader(body, limit+1), make([]byte, 64<<10))
	if err == nil && n > limit {
		err = apiErrorf(http.StatusRequestEntityTooLarge, "MaxContentLengthExceeded", "request has exceeded %d bytes", limit)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(f.Name())
		return nil, nil, uploadError(err)
	}
	return &uploadedFile{File: f, size: n}, h.Sum(nil), nil
}

// uploadError returns the response to a body that ended early.
func uploadError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		e := apiErrorf(http.StatusRequestTimeout, "UploadTimeout", "request took too long to send data")
		e.close = true
		return e
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		panic(http.ErrAbortHandler) // the client has disconnected
	}
	return err
}

// uploadReader reads the body of r no faster than the bandwidth allows, and fails when it stalls.
type uploadReader struct {
	s    *Server
	r    *http.Request
	rc   *http.ResponseController
	line sender
}

func (u *uploadReader) Read(p []byte) (int, error) {
	_ = u.rc.SetReadDeadline(time.Now().Add(u.s.uploadTimeout)) // not supported by every ResponseWriter
	n, err := u.r.Body.Read(p)
	u.s.counts.received(int64(n))
	if werr := u.line.wait(u.r.Context(), n); werr != nil && err == nil {
		err = werr
	}
	if err == io.EOF {
		_ = u.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

// remove serves DELETE.
func (s *Server) remove(w http.ResponseWriter, r *http.Request, p path) error {
	if len(p) <= 2 {
		s.setLoaded(w.Header(), p)
		return errRootOperation
	}
	rec, err := s.tree.lookup(p)
	if err != nil {
		return err
	}
	if rec == nil {
		return notFound(p)
	}
	var base *string
	setVersion(w.Header(), rec)
	if !rec.Dir { // conditions do not apply to directories
		if err := checkConditions(r, rec); err != nil {
			return err
		}
		base = commitBase(r, rec)
	}
	if err := s.tree.remove(p, base); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
