// Package mem is the contract of package store in memory, with faults to order.
// It is for tests: of the contract itself, and of everything above a store.
//
// [New] gives a store whose calls go through a [Faulty], so faults can be ordered
// ([Faulty.Inject]) and calls counted ([Faulty.Calls]). [Store.Set] and
// [Store.Delete] change objects behind the client's back. [NewFaulty] puts the
// same faults in front of any other store.
//
// All of it is safe for concurrent use and starts no goroutine.
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

// Set stores data at key, whatever was there, as another client would. It makes
// the directories that are missing. It is not counted and meets no fault.
func (s *Store) Set(key string, data []byte) store.Attr { return s.o.set(key, data) }

// SetTime is Set with a modification time.
func (s *Store) SetTime(key string, data []byte, modTime time.Time) store.Attr {
	return s.o.setTime(key, data, modTime)
}

// Delete removes the object or directory at key with everything below it, as
// another client would.
func (s *Store) Delete(key string) { s.o.delete(key) }

// Data returns a copy of the object at key as it is now, or false.
func (s *Store) Data(key string) ([]byte, bool) { return s.o.data(key) }

// Keys returns the keys of all objects in byte order.
func (s *Store) Keys() []string { return s.o.keys() }

// HideMD5 makes Stat, Get and List give no MD5, as a store that does not know it.
func (s *Store) HideMD5() { s.o.hideMD5() }

// Unwrap hides that of Faulty: there is nothing behind this store.
func (s *Store) Unwrap() store.Store { return nil }
