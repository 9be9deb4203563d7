package store

import (
	"context"
	"errors"
	"io"
	"log/slog"
)

// Scheme is a kind of store that the --store flag can select. Package registry lists all of them.
// Its functions read the environment through getenv.
type Scheme struct {
	Name  string // prefix before the colon: "manta"
	Usage string // form of a corpus name: "manta:[/ACCOUNT/stor/thoth]"
	// DefaultUsage describes when Default applies: "Manta when MANTA_URL is set".
	DefaultUsage string

	// Default returns the path of the corpus to use when none is specified, or false if there
	// is no default.
	Default func(getenv func(string) string) (path string, ok bool)
	// Locate checks and completes the part after the colon.
	Locate func(path string, getenv func(string) string) (Location, error)
	// Open opens the store. It need not access the network.
	Open func(ctx context.Context, l Location, o OpenOptions) (OpenStore, error)
}

// Location describes where a corpus is.
type Location struct {
	Name  string // value of --store
	Path  string // prefix of "name" in the documents of the corpus
	Dir   string // local directory that holds the corpus; "" if none
	Owner string // account that owns the corpus; "" if the store has no accounts
}

func (l Location) String() string { return l.Name }

// OpenOptions holds what a Scheme may need to open a store.
type OpenOptions struct {
	Create     bool // create the directory of the corpus if it does not exist
	Getenv     func(string) string
	Passphrase func(ctx context.Context, keyFile string) ([]byte, error) // asks the user
	Log        *slog.Logger
}

// OpenStore is a Store that must be closed. It cannot be used after Close.
type OpenStore interface {
	Store
	io.Closer
}

// ErrAbsent is the error of [Scheme.Open] for a local directory that does not exist.
var ErrAbsent = errors.New("there is no such directory (thothfs upload makes it; --store names another corpus)")
