// Package storetest tests the contract of package store. [Run] tests a store or a decorator;
// [Faults] exposes the layers above to every failure of a store.
package storetest

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"testing"
	"time"

	"thothfs/store"
)

// Features lists what the store under test does not support. The zero value is a store without
// limits. Unsupported names must be refused as the contract says.
type Features struct {
	NoDotNames  bool // a component "." or ".." is refused
	NoLongNames bool // a component that is not UTF-8 is refused
	NoRawBytes  bool // Stat, Get and List return no MD5 (Put always does)
	NoMD5       bool // Stat, Get and List give no MD5 (Put always does)

	// Entries is the number of entries in the paging check; 0 means 2500, which is more than
	// two of Manta's largest pages.
	Entries int
	// Big is the size of the big stream in bytes; 0 means slightly more than 9 MiB.
	Big int64
}

// suite is one run of the contract tests.
type suite struct {
	open func(t *testing.T) store.Store
	f    Features
}

// Run checks the whole contract. open returns an empty store; it is called once for each check
// and cleans up with t.Cleanup. Checks that need many objects create them with Put, several at a
// time.
func Run(t *testing.T, open func(t *testing.T) store.Store, f Features) {
	if f.Entries == 0 {
		f.Entries = 2500
	}
	if f.Big == 0 {
		f.Big = 9<<20 + 12345
	}
	s := &suite{open: open, f: f}
	t.Run("ReadAt", s.readAt)
	t.Run("Get", s.get)
	t.Run("Stat", s.stat)
	t.Run("List", s.list)
	t.Run("Put", s.put)
	t.Run("Remove", s.remove)
	t.Run("Names", s.names)
	t.Run("Context", s.context)
	t.Run("Races", s.races)
	t.Run("Local", s.local)
}

// kinds lists all kinds of error of package store.
var kinds = []error{
	store.ErrNotExist, store.ErrPermission, store.ErrConflict, store.ErrStale, store.ErrCorrupt,
	store.ErrUnavailable, store.ErrTooLarge, store.ErrNoSpace, store.ErrNotModified, store.ErrInvalid,
}

// wantKind fails the test unless err matches exactly one kind, and that kind is in want.
func wantKind(t *testing.T, err error, want ...error) {
	t.Helper()
	var got []error
	for _, k := range kinds {
		if errors.Is(err, k) {
			got = append(got, k)
		}
	}
	for _, w := range want {
		if len(got) == 1 && got[0] == w {
			return
		}
	}
	t.Errorf("error is %v (kinds %v), want exactly one of %v", err, got, want)
}

// object is an object stored by a check.
type object struct {
	key  string
	data []byte
	attr store.Attr
}

func (o object) ref() store.Ref { return store.Ref{Key: o.key, ETag: o.attr.ETag} }

// create stores a new object, which must not exist.
func create(t *testing.T, s store.Store, key string, data string) object {
	t.Helper()
	return replace(t, s, store.Ref{Key: key}, data)
}

// replace stores a new version over old.
func replace(t *testing.T, s store.Store, old store.Ref, data string) object {
	t.Helper()
	o, err := put(s, old, []byte(data))
	if err != nil {
		t.Fatalf("put %q: %v", old.Key, err)
	}
	return o
}

func put(s store.Store, old store.Ref, data []byte) (object, error) {
	attr, err := s.Put(context.Background(), old, bytes.NewReader(data), int64(len(data)))
	return object{key: old.Key, data: data, attr: attr}, err
}

// wantData fails the test unless the object at key has exactly the content want.
func wantData(t *testing.T, s store.Store, key, want string) store.Attr {
	t.Helper()
	got, attr, err := s.Get(t.Context(), store.Ref{Key: key}, int64(len(want))+1)
	if err != nil {
		t.Errorf("get %q: %v", key, err)
	} else if string(got) != want {
		t.Errorf("get %q: got %s, want %s", key, brief(got), brief([]byte(want)))
	}
	return attr
}

// wantAbsent fails the test unless Stat and Get find nothing at key.
func wantAbsent(t *testing.T, s store.Store, key string) {
	t.Helper()
	_, err := s.Stat(t.Context(), key)
	wantKind(t, err, store.ErrNotExist)
	_, _, err = s.Get(t.Context(), store.Ref{Key: key}, 1<<20)
	wantKind(t, err, store.ErrNotExist)
}

// wantAttr fails the test unless got describes object o.
func (s *suite) wantAttr(t *testing.T, got store.Attr, o object) {
	t.Helper()
	sum := md5.Sum(o.data)
	switch {
	case got.Dir:
		t.Errorf("%q: is a directory", o.key)
	case got.ETag == "" || got.ETag != o.attr.ETag:
		t.Errorf("%q: ETag %q, want %q", o.key, got.ETag, o.attr.ETag)
	case got.Size != int64(len(o.data)):
		t.Errorf("%q: size %d, want %d", o.key, got.Size, len(o.data))
	case got.MD5 == nil && !s.f.NoMD5:
		t.Errorf("%q: no MD5", o.key)
	case got.MD5 != nil && !bytes.Equal(got.MD5, sum[:]):
		t.Errorf("%q: MD5 %x, want %x", o.key, got.MD5, sum)
	}
	wantTime(t, got.ModTime)
}

// wantTime allows a difference of one day, since the time is from the store's clock.
func wantTime(t *testing.T, m time.Time) {
	t.Helper()
	if m.IsZero() {
		return
	}
	if d := time.Since(m).Abs(); d > 24*time.Hour {
		t.Errorf("modification time %v is %v away", m, d)
	}
	if m.Location() != time.UTC {
		t.Errorf("modification time %v is not UTC", m)
	}
}

// brief shortens data for messages.
func brief(p []byte) string {
	if len(p) > 40 {
		p = append(bytes.Clone(p[:40]), "…"...)
	}
	return string(p)
}
