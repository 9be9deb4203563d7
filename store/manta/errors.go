package manta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"thothfs/store"
)

// badAnswer is an invalid response with a successful status, or a local failure that has a kind.
type badAnswer struct {
	kind error
	text string
}

func (e *badAnswer) Error() string { return e.text }

func corrupt(format string, args ...any) error {
	return &badAnswer{kind: store.ErrCorrupt, text: fmt.Sprintf(format, args...)}
}

// errDirectory means that the path is a directory instead of an object, errObject the reverse.
var (
	errDirectory = &badAnswer{kind: store.ErrInvalid, text: "it is a directory"}
	errObject    = &badAnswer{kind: store.ErrInvalid, text: "it is not a directory"}
)

// maxErrorBody is the maximum number of bytes read from the body of an error response.
const maxErrorBody = 64 << 10

// statusError is a response with a status of 300 or more.
type statusError struct {
	status    int
	code      string // Manta's error code; "" if the response has none, as with every response to HEAD
	message   string
	requestID string
	header    http.Header
	fromManta bool // rather than from a proxy
}

func (e *statusError) Error() string {
	s := strconv.Itoa(e.status)
	if e.code != "" {
		s += " " + e.code
	}
	if e.message != "" {
		s += ": " + e.message
	}
	return s
}

// newStatusError reads the error from resp.
func newStatusError(req *http.Request, resp *http.Response) *statusError {
	h := resp.Header
	e := &statusError{status: resp.StatusCode, requestID: h.Get("X-Request-Id"), header: h}
	b, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // the status is enough
	var told struct{ Code, Message string }
	if json.Unmarshal(b, &told) == nil {
		e.code, e.message = printable(told.Code, 60), printable(told.Message, 300)
	}
	if e.code == "" && e.message == "" {
		e.message = http.StatusText(e.status)
	}
	// A server may echo our request; its signature must not get into a log.
	if sig := req.Header.Get("Authorization"); sig != "" && strings.Contains(e.message, signatureOf(sig)) {
		e.message = "(the message repeats the signature)"
	}
	e.fromManta = e.code != "" || len(b) == 0 && (e.requestID != "" || strings.HasPrefix(h.Get("Server"), "Manta"))
	return e
}

// asStatus returns the statusError that err wraps, or nil.
func asStatus(err error) *statusError {
	var e *statusError
	errors.As(err, &e)
	return e
}

// printable returns s on one line, cut to at most n bytes.
func printable(s string, n int) string {
	s = strings.ToValidUTF8(s[:min(len(s), n)], "")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// kind returns the kind of the error for an operation that reads, or that writes.
func (e *statusError) kind(writes bool) error {
	changed := store.ErrStale
	if writes {
		changed = store.ErrConflict
	}
	switch e.status {
	case http.StatusNotModified:
		return store.ErrNotModified
	case http.StatusUnauthorized, http.StatusForbidden:
		return store.ErrPermission
	case http.StatusNotFound:
		if e.fromManta {
			return store.ErrNotExist
		}
		return store.ErrUnavailable // a proxy or the wrong address, so the object may exist
	case http.StatusPreconditionFailed:
		return changed
	case http.StatusConflict:
		if e.code == "ConcurrentRequest" || e.code == "" {
			return changed
		}
		if e.code == "DirectoryLimitExceeded" {
			return store.ErrNoSpace
		}
		return store.ErrInvalid // a problem with roles
	case http.StatusRequestEntityTooLarge:
		return store.ErrTooLarge
	case http.StatusInsufficientStorage:
		return store.ErrNoSpace
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return store.ErrUnavailable
	case http.StatusBadRequest:
		return e.badRequestKind()
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return store.ErrCorrupt
	}
	if e.status >= 500 {
		return store.ErrUnavailable
	}
	return store.ErrCorrupt
}

// badRequestKind returns the kind for status 400, which Manta uses for many purposes.
func (e *statusError) badRequestKind() error {
	switch e.code {
	case "DirectoryNotEmpty":
		return store.ErrConflict
	case "ContentMD5Mismatch":
		return store.ErrCorrupt
	case "InvalidHeader", "RequestExpired":
		return store.ErrPermission
	case "InvalidResource", "InvalidUpdate", "ParentNotDirectory",
		"OperationNotAllowedOnDirectory", "OperationNotAllowedOnRootDirectory":
		return store.ErrInvalid
	}
	return store.ErrCorrupt
}

// maxRetryAfter is the limit for Retry-After, to avoid arithmetic overflow. It is longer than any
// client waits.
const maxRetryAfter = 24 * time.Hour

// retryAfter returns the pause requested by the server, in the format of [store.Error].
func (e *statusError) retryAfter(now time.Time) time.Duration {
	h := e.header.Get("Retry-After")
	if n, err := strconv.Atoi(h); err == nil && n >= 0 {
		return max(1, time.Duration(min(n, int(maxRetryAfter/time.Second)))*time.Second)
	}
	if at, err := http.ParseTime(h); err == nil {
		return min(max(1, at.Sub(now)), maxRetryAfter)
	}
	return 0
}

// writes reports whether op changes the store.
func writes(op string) bool { return op == "put" || op == "remove" }

// failed converts err to a store.Error as the contract requires. Only ctx's own errors stay
// unchanged. Other network errors are reduced to their text, because some match context errors.
func failed(ctx context.Context, op, key string, err error) error {
	var known *store.Error
	if errors.As(err, &known) {
		return known
	}
	e := &store.Error{Op: op, Key: key}
	var bad *badAnswer
	status := asStatus(err)
	switch {
	case status != nil:
		e.Kind, e.Err = status.kind(writes(op)), errors.New(status.Error())
		e.RequestID, e.RetryAfter = status.requestID, status.retryAfter(time.Now())
		if status.status == http.StatusInsufficientStorage {
			e.Err = errors.New("Manta has no room for it: " + status.Error())
		}
	case errors.As(err, &bad):
		e.Kind, e.Err = bad.kind, bad
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		e.Kind, e.Err = store.ErrUnavailable, errors.New(plainText(err))
	}
	return e
}

// plainText returns the text of err without the request.
func plainText(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}
