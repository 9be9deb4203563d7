package store

import (
	"context"
	"errors"
	"io"
	"log/slog"
)

// Scheme is a kind of store as the --store flag names it. Package registry lists all of
// them. The environment that its functions read is given to them as getenv.
type Scheme struct {
	Name  string // what stands before the colon: "manta"
	Usage string // how to name a corpus: "manta:[/ACCOUNT/stor/thoth]"
	// DefaultUsage says when Default applies: "Manta when MANTA_URL is set".
	DefaultUsage string

	// Default returns the path of the corpus to use when none is named; false if it has none.
	Default func(getenv func(string) string) (path string, ok bool)
	// Locate checks and completes what stands behind the colon.
	Locate func(path string, getenv func(string) string) (Location, error)
	// Open opens the store. It need not access the network.
	Open func(ctx context.Context, l Location, o OpenOptions) (OpenStore, error)
}

// Location says where a corpus is.
type Location struct {
	Name  string // as --store names it
	Path  string // what "name" begins with in the documents of the corpus
	Dir   string // the local directory that holds the corpus; "" if none does
	Owner string // the account that owns the corpus; "" in a store without accounts
}

func (l Location) String() string { return l.Name }

// OpenOptions are what a Scheme may use to open a store.
type OpenOptions struct {
	Create     bool // make the directory of the corpus if there is none
	Getenv     func(string) string
	Passphrase func(ctx context.Context, keyFile string) ([]byte, error) // asks the user
	Log        *slog.Logger
}

// OpenStore is a Store that the caller closes. No call may follow Close.
type OpenStore interface {
	Store
	io.Closer
}

// ErrAbsent is the error of [Scheme.Open] for a local directory that does not exist.
var ErrAbsent = errors.New("there is no such directory (thothfs upload makes it)")
