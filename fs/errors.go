package fs

import (
	"context"
	"errors"
	"fmt"

	"thothfs/corpus"
	"thothfs/dump/document"
	"thothfs/store"
)

// ErrNotExist reports that a name or node does not exist.
var ErrNotExist = store.ErrNotExist

// The kinds of errors that the tree adds to those of contexts and of packages store, corpus and
// dump. A front end maps all of them to its protocol.
var (
	ErrReadOnly     = errors.New("nothing here can be written")
	ErrNotPermitted = errors.New("the directory cannot hold that")
	ErrNotSupported = errors.New("not supported")
	ErrNotOwner     = errors.New("only the owner of the mount and root may write")
	ErrCrossDevice  = errors.New("the other directory belongs to another dump")
	ErrNotDir       = errors.New("not a directory")
	ErrGone         = errors.New("not there any more")
	ErrInvalid      = errors.New("invalid argument")
	ErrNoData       = errors.New("no data at or after the offset")
	ErrNoAttr       = errors.New("no such attribute")
	ErrAttrTooBig   = errors.New("value too big for an extended attribute (64 KiB): use the file properties/NAME")
	ErrNoTicket     = errors.New("a ticket cannot be empty: remove it instead")
	ErrTickets      = errors.New("the dump has more than one ticket: set it in user.thoth.ticket")
	ErrBadName      = errors.New("the name cannot be stored")
	ErrNameTooLong  = errors.New("name too long")
	ErrExist        = errors.New("exists already")
	ErrNotEmpty     = errors.New("dumps have that ticket already")
	ErrFileTooBig   = errors.New("more than can be stored (16 MiB)")
	ErrNoRoom       = errors.New("too much is being written at a time")
)

// ErrSpec is the kind of error for a malformed specification. Such a name does not exist.
var ErrSpec = fmt.Errorf("malformed specification or name (%w)", ErrNotExist)

// isAnswer reports whether an error is an ordinary result rather than a failure. Ordinary results
// are not logged.
func isAnswer(err error) bool {
	for _, kind := range [...]error{
		context.Canceled, ErrNotExist,
		ErrReadOnly, ErrNotPermitted, ErrNotSupported, ErrNotOwner, ErrCrossDevice, ErrNotDir, ErrGone,
		ErrInvalid, ErrNoData, ErrNoAttr, ErrExist, ErrNotEmpty,
		document.ErrPresent, document.ErrAbsent, corpus.ErrAmbiguous,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// notThere returns the error for a missing name.
func notThere(path string) error { return &store.Error{Op: "stat", Key: path, Kind: ErrNotExist} }

// asNotThere turns the error for a property that is not set into that for a missing file.
func asNotThere(name string, err error) error {
	if errors.Is(err, document.ErrAbsent) || errors.Is(err, document.ErrMismatch) {
		return notThere(name)
	}
	return err
}
