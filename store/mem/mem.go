// Package mem is a store in memory that can be made to fail. It is used to test the store
// contract itself and everything that uses a store.
//
// [New] returns a store whose calls go through a [Faulty], so that tests can inject faults
// ([Faulty.Inject]) and count calls ([Faulty.Calls]). [Store.Set] and [Store.Delete] change
// objects as another client would. [NewFaulty] adds the same faults to any other store.
//
// The package is safe for concurrent use and starts no goroutine.
package mem

import (
	"time"

	"thothfs/store"
)

// Store is a store in memory.
type Store struct {
	*Faulty
	o *objects
}

var _ store.Store = (*Store)(nil)

// New returns an empty store without faults.
func New() *Store {
	o := newObjects()
	return &Store{Faulty: NewFaulty(o), o: o}
}

// Set stores data at key unconditionally, as if by another client. It creates missing
// directories. It is not counted and gets no fault.
func (s *Store) Set(key string, data []byte) store.Attr { return s.o.set(key, data) }

// SetTime is like Set but also sets the modification time.
func (s *Store) SetTime(key string, data []byte, modTime time.Time) store.Attr {
	return s.o.setTime(key, data, modTime)
}

// Delete removes the object or directory at key and everything below it, as if by another client.
func (s *Store) Delete(key string) { s.o.delete(key) }

// Data returns a copy of the current object at key, or false.
func (s *Store) Data(key string) ([]byte, bool) { return s.o.data(key) }

// Keys returns the keys of all objects in byte order.
func (s *Store) Keys() []string { return s.o.keys() }

// HideMD5 makes Stat, Get and List return no MD5, as if the store did not support it.
func (s *Store) HideMD5() { s.o.hideMD5() }

// Unwrap overrides Faulty.Unwrap, because this store wraps no other.
func (s *Store) Unwrap() store.Store { return nil }
