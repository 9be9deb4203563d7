package manta

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"thothfs/store"
)

// noVersion is an ETag that no object has. It replaces an ETag that cannot be sent or that has a
// special meaning.
const noVersion = "00000000-0000-0000-0000-000000000000"

// wireETag returns the ETag for a conditional header. It is not quoted, because a quoted UUID
// never matches. An ETag that would be parsed as a list or a wildcard cannot come from Manta, and
// becomes noVersion.
func wireETag(etag string) string {
	plain := strings.IndexFunc(etag, func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`,"*`, r) }) < 0
	if plain && strings.TrimSpace(etag) == etag && !strings.HasPrefix(etag, "W/") {
		return etag
	}
	return noVersion
}

// ReadAt implements store.Store.
func (s *Store) ReadAt(ctx context.Context, ref store.Ref, p []byte, off int64) (int, error) {
	const op = "read"
	if err := checkKey(op, ref.Key); err != nil {
		return 0, err
	}
	if ref.ETag == "" || off < 0 {
		return 0, &store.Error{Op: op, Key: ref.Key, Kind: store.ErrInvalid, Err: fmt.Errorf("version %q, offset %d", ref.ETag, off)}
	}
	if len(p) == 0 {
		return 0, ctx.Err()
	}
	n, err := s.readRange(ctx, ref, p, off)
	if err != nil && err != io.EOF {
		err = failed(ctx, op, ref.Key, err)
	}
	return n, err
}

// readRange is like ReadAt but with validated arguments.
func (s *Store) readRange(ctx context.Context, ref store.Ref, p []byte, off int64) (int, error) {
	asked := byteSpan{off, off + int64(len(p)) - 1}
	if asked.last < off {
		return 0, io.EOF // no object is that large
	}
	resp, err := s.do(ctx, apiRequest{method: http.MethodGet, path: s.path(ref.Key), header: http.Header{
		"Range": {asked.String()}, "If-Match": {wireETag(ref.ETag)},
	}})
	if err != nil {
		return 0, rangeError(err, off)
	}
	defer resp.body.Close()
	if resp.status == http.StatusOK { // the object is empty, as checked by the transport
		return 0, io.EOF
	}
	got, _, _ := parseContentRange(resp.header.Get("Content-Range"))
	n, err := fill(resp.body, p[:got.last-got.first+1])
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// rangeError converts the error from a read at off. If off is beyond the end of the object, it
// returns io.EOF.
func rangeError(err error, off int64) error {
	e := asStatus(err)
	if e == nil || e.status != http.StatusRequestedRangeNotSatisfiable {
		return err
	}
	if _, size, ok := parseContentRange(e.header.Get("Content-Range")); ok && off >= size {
		return io.EOF
	}
	return err
}

// fill fills p and checks that nothing follows. A body that ends too early is corrupt. If the
// connection was closed, fill returns the error from r.
func fill(r io.Reader, p []byte) (int, error) {
	n, ended := 0, false
	for n < len(p) && !ended {
		m, err := r.Read(p[n:])
		n += m
		if err != nil && err != io.EOF {
			return n, err
		}
		ended = err == io.EOF
	}
	if n < len(p) {
		return n, corrupt("the answer ended after %d of %d bytes", n, len(p))
	}
	if ended {
		return n, nil
	}
	// Reading to the end also makes the connection reusable.
	switch m, err := io.CopyN(io.Discard, r, 1); {
	case m > 0:
		return 0, corrupt("more than %d bytes came", len(p))
	case err != io.EOF:
		return n, err
	}
	return n, nil
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, known store.Ref, limit int64) ([]byte, store.Attr, error) {
	const op = "get"
	if err := checkKey(op, known.Key); err != nil {
		return nil, store.Attr{}, err
	}
	h := http.Header{}
	if known.ETag != "" {
		h.Set("If-None-Match", wireETag(known.ETag))
	}
	resp, err := s.do(ctx, apiRequest{method: http.MethodGet, path: s.path(known.Key), header: h})
	if err != nil {
		return nil, store.Attr{}, failed(ctx, op, known.Key, err)
	}
	defer resp.body.Close()
	data, attr, err := readWhole(resp, limit)
	if err != nil {
		return nil, store.Attr{}, failed(ctx, op, known.Key, err)
	}
	return data, attr, nil
}

// readWhole reads an object of at most limit bytes.
func readWhole(resp *response, limit int64) ([]byte, store.Attr, error) {
	if isDirectory(resp.header) {
		return nil, store.Attr{}, errDirectory
	}
	attr, err := objectAttr(resp)
	if err != nil {
		return nil, attr, err
	}
	if attr.Size > limit {
		return nil, attr, &badAnswer{kind: store.ErrTooLarge, text: fmt.Sprintf("%d bytes, where %d are wanted at most", attr.Size, limit)}
	}
	data := make([]byte, attr.Size)
	if _, err := fill(resp.body, data); err != nil {
		return nil, attr, err
	}
	sum := md5.Sum(data)
	if attr.MD5 != nil && !bytes.Equal(attr.MD5, sum[:]) {
		return nil, attr, corrupt("the bytes have MD5 %x, and should have %x", sum, attr.MD5)
	}
	attr.MD5 = sum[:]
	return data, attr, nil
}

// Stat implements store.Store.
func (s *Store) Stat(ctx context.Context, key string) (store.Attr, error) {
	const op = "stat"
	if err := checkKey(op, key); err != nil {
		return store.Attr{}, err
	}
	attr, err := s.head(ctx, s.path(key))
	if err != nil {
		return store.Attr{}, failed(ctx, op, key, err)
	}
	return attr, nil
}

// head requests the attributes of a path.
func (s *Store) head(ctx context.Context, path string) (store.Attr, error) {
	resp, err := s.do(ctx, apiRequest{method: http.MethodHead, path: path})
	if err != nil {
		return store.Attr{}, err
	}
	resp.body.Close()
	if isDirectory(resp.header) {
		return directoryAttr(resp.header), nil
	}
	return objectAttr(resp)
}

// objectAttr returns the attributes from the headers of an object.
func objectAttr(resp *response) (store.Attr, error) {
	h := resp.header
	a := store.Attr{ETag: h.Get("Etag"), ModTime: lastModified(h), MD5: decodeMD5(h.Get("Content-MD5"))}
	if resp.status != http.StatusOK || a.ETag == "" {
		return a, corrupt("status %d with ETag %.60q is no answer of Manta's", resp.status, a.ETag)
	}
	if resp.length < 0 {
		return a, corrupt("the answer does not tell its length")
	}
	a.Size = resp.length
	return a, nil
}

// directoryAttr returns the attributes from the headers of a directory. Only the number of
// entries changes when entries are added or removed.
func directoryAttr(h http.Header) store.Attr {
	a := store.Attr{Dir: true, ModTime: lastModified(h), ETag: h.Get("Result-Set-Size")}
	if !a.ModTime.IsZero() {
		a.ETag += fmt.Sprintf("-%d", a.ModTime.Unix()) // detects a directory that was removed and created again
	}
	return a
}

// lastModified returns the Last-Modified time, or zero if there is none.
func lastModified(h http.Header) time.Time {
	t, err := http.ParseTime(h.Get("Last-Modified"))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// decodeMD5 returns the checksum from a header or listing, or nil if there is none.
func decodeMD5(s string) []byte {
	sum, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(sum) != md5.Size {
		return nil
	}
	return sum
}
