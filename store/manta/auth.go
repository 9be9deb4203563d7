package manta

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"thothfs/store"
)

// agentTime is the maximum time that an agent may take to list its keys.
const agentTime = 10 * time.Second

// auth signs requests, or leaves them unsigned.
type auth struct {
	who  string // "/ACCOUNT" or "/ACCOUNT/SUBUSER"
	none bool
	opts KeyOptions

	mu     sync.Mutex    // guards the fields below; never held while signing
	key    *Key          // nil if requests are not signed
	skew   time.Duration // how far the server's clock is ahead of the local clock
	date   string        // date for which signer signed header
	header string
	signer *Key
}

func newAuth(o Options) (*auth, error) {
	a := &auth{who: "/" + o.Account, none: o.NoAuth, opts: o.Key}
	if o.SubUser != "" {
		a.who += "/" + o.SubUser
	}
	if a.none {
		return a, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), agentTime)
	defer cancel()
	key, err := FindKey(ctx, o.Key)
	if err != nil {
		return nil, err
	}
	a.key = key
	return a, nil
}

// current returns the current signing key.
func (a *auth) current() *Key {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.key
}

// sign returns the Date and Authorization headers of a request made now. Authorization is "" if
// requests are not signed. Requests within the same second share a signature, since it covers
// only the date.
func (a *auth) sign(ctx context.Context) (date, header string, err error) {
	a.mu.Lock()
	date = time.Now().Add(a.skew).UTC().Format(http.TimeFormat)
	key, header := a.key, a.header
	if a.none || a.date == date && a.signer == key {
		a.mu.Unlock()
		return date, header, nil
	}
	a.mu.Unlock()
	header, err = a.signWith(ctx, key, date)
	if err != nil && ctx.Err() == nil {
		// The agent may have lost the key or stopped while the key file still exists.
		if key = a.reload(ctx, key); key != nil {
			header, err = a.signWith(ctx, key, date)
		}
	}
	if err != nil {
		return "", "", signError(ctx, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.date, a.header, a.signer = date, header, key
	return date, header, nil
}

func signError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &badAnswer{kind: store.ErrPermission, text: err.Error()}
}

// signWith returns the Authorization header for date.
func (a *auth) signWith(ctx context.Context, key *Key, date string) (string, error) {
	sig, err := key.signature(ctx, []byte("date: "+date))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`Signature keyId="%s/keys/%s",algorithm="%s",headers="date",signature="%s"`,
		a.who, key.Fingerprint(), key.algorithm, base64.StdEncoding.EncodeToString(sig)), nil
}

// signatureOf returns the secret part of an Authorization header.
func signatureOf(header string) string {
	_, sig, _ := strings.Cut(header, `signature="`)
	return strings.TrimSuffix(sig, `"`)
}

// reload looks up the key again, and returns it if it differs from used; otherwise nil.
func (a *auth) reload(ctx context.Context, used *Key) *Key {
	if now := a.current(); now != used {
		return now // another request reloaded it
	}
	key, err := findKey(ctx, a.opts, used)
	if err != nil || key == used {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.key = key
	return key
}

// remedies records what was tried after a request was refused. Each remedy is tried once.
type remedies struct{ key, clock bool }

// retryable reacts to a refusal and reports whether to repeat the request. used is the key that
// signed the request.
func (a *auth) retryable(ctx context.Context, err error, used *Key, tried *remedies) bool {
	var e *statusError
	if a.none || !errors.As(err, &e) {
		return false
	}
	switch {
	case e.badKey() && !tried.key:
		tried.key = true
		return a.reload(ctx, used) != nil
	case e.badClock() && !tried.clock:
		tried.clock = true
		return a.setClock(e.header.Get("Date"))
	}
	return false
}

// badKey reports whether the server has no key with this name, or a different one.
func (e *statusError) badKey() bool {
	return e.status == http.StatusForbidden && (e.code == "InvalidSignature" || e.code == "KeyDoesNotExist")
}

// badClock reports whether the server's clock differs too much from the local clock.
func (e *statusError) badClock() bool {
	return e.status == http.StatusBadRequest &&
		(e.code == "RequestExpired" || e.code == "InvalidHeader" && strings.Contains(e.message, "skew"))
}

// setClock sets the clock skew from the server's Date header.
func (a *auth) setClock(date string) bool {
	t, err := http.ParseTime(date)
	if err != nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.skew = time.Until(t)
	return true
}
