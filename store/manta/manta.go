// Package manta is the store in Manta. It is the only user of triton-go.
//
// # Relation to triton-go
//
// Every request goes through triton-go's client, and then through our http.RoundTripper
// (transport.go), which does what triton-go does incorrectly or not at all: it signs, dates, sets
// the length of a body, turns every response with a status of 300 or more into a statusError,
// rejects unexpected responses, and drains and closes bodies that nobody will read. Of
// triton-go's own calls, only the two that execute a request are used. The others clean paths,
// which makes an object called "." unreachable, and lose the status of a response.
//
// # Versions
//
// A version is Manta's ETag, a bare UUID, which is sent exactly as received. The version of a
// directory is derived from its number of entries, the only attribute that changes with its
// entries.
//
// # Silence
//
// A call ends early only if its context is done. A call reports its progress (store.Progress),
// and [store.Retry] cancels a try that makes none. This closes its connection and the idle ones,
// so the next try uses a new connection.
//
// # Concurrency
//
// A Store is safe for concurrent use. A finished call leaves nothing running except idle
// connections, which Close closes.
package manta

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"unicode/utf8"

	triton "github.com/joyent/triton-go"
	"github.com/joyent/triton-go/authentication"
	"github.com/joyent/triton-go/client"
	"github.com/joyent/triton-go/storage"

	"thothfs/store"
)

// Options specifies which corpus to open, and as which user.
type Options struct {
	URL     string // Manta's URL: https://HOST[:PORT]
	Account string // account that makes the requests (MANTA_USER)
	SubUser string // subuser of Account that makes the requests, or ""
	Owner   string // account that owns the corpus (THOTH_USER); "" means Account
	Dir     string // corpus directory; "" means /OWNER/stor/thoth
	Key     KeyOptions
	NoAuth  bool // send no signature; Key is ignored

	// InsecureTLS accepts any certificate.
	InsecureTLS bool
	Log         *slog.Logger // nil means none
}

// Store is a corpus in Manta.
type Store struct {
	prefix string // path of the URL, which a proxy may need
	dir    string // corpus directory, decoded
	client *client.Client
	auth   *auth
	wire   *transport
	log    *slog.Logger
}

var _ store.Store = (*Store)(nil)

// Open returns the store. It finds the key but does not access the network.
func Open(o Options) (*Store, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	u, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	a, err := newAuth(o)
	if err != nil {
		return nil, err
	}
	prefix := strings.TrimRight(u.Path, "/")
	u.Path, u.RawPath = "", ""
	c, err := storage.NewClient(&triton.ClientConfig{
		MantaURL:    u.String(),
		AccountName: o.Owner,
		Signers:     []authentication.Signer{unsigned{}},
	})
	if err != nil {
		return nil, err
	}
	wire := newTransport(a, o)
	c.Client.HTTPClient.Transport = wire
	return &Store{prefix: prefix, dir: o.Dir, client: c.Client, auth: a, wire: wire, log: o.Log}, nil
}

// complete sets fields whose default depends on other fields.
func (o *Options) complete() error {
	if o.Account == "" && !o.NoAuth {
		return errors.New("no Manta account given")
	}
	if o.Owner == "" {
		o.Owner = o.Account
	}
	if o.Dir == "" && o.Owner == "" {
		return errors.New("no Manta account given whose corpus it is")
	}
	if o.Dir == "" {
		o.Dir = "/" + o.Owner + "/stor/thoth"
	}
	dir := strings.Trim(o.Dir, "/")
	owner, below, _ := strings.Cut(dir, "/")
	if owner == "" || below == "" || !store.ValidKey(dir) || !utf8.ValidString(dir) {
		return fmt.Errorf("%q is not a directory in Manta, as /ACCOUNT/stor/thoth is", o.Dir)
	}
	o.Dir = "/" + dir
	if o.Owner == "" {
		o.Owner = owner
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// parseURL parses the address of a Manta. It drops credentials, query and fragment, which Manta
// does not use and which would appear in messages.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("MANTA_URL must look like https://HOST")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}, nil
}

// Close closes the idle connections. The store can still be used.
func (s *Store) Close() error {
	s.wire.base.CloseIdleConnections()
	return nil
}

// path returns the decoded path of key. triton-go escapes it.
func (s *Store) path(key string) string {
	if key == "" {
		return s.dir
	}
	return s.dir + "/" + key
}

// checkKey returns an error if Manta cannot hold key.
func checkKey(op, key string) error {
	if store.ValidKey(key) && utf8.ValidString(key) {
		return nil
	}
	return &store.Error{Op: op, Key: key, Kind: store.ErrInvalid}
}

// unsigned satisfies triton-go, which requires a signer. The transport signs instead, because it
// may have to correct the date.
type unsigned struct{}

var _ authentication.Signer = unsigned{}

func (unsigned) DefaultAlgorithm() string              { return "" }
func (unsigned) KeyFingerprint() string                { return "" }
func (unsigned) Sign(string, bool) (string, error)     { return "", nil }
func (unsigned) SignRaw(string) (a, b string, _ error) { return "", "", nil }
