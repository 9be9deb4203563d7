package manta_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"thothfs/store"
	"thothfs/store/manta"
	"thothfs/store/manta/mantatest"
)

func debugLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// echoAuthorization responds with the Authorization header of the request.
func echoAuthorization() mantatest.Action {
	return mantatest.AnswerWith(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"code":"InvalidSignature","message":"got `+strings.ReplaceAll(r.Header.Get("Authorization"), `"`, `'`)+`"}`)
	})
}

// TestClock checks that a client whose clock is wrong uses the server's time.
func TestClock(t *testing.T) {
	key, public := newKey(t, "ed25519")
	name := writeKey(t, key)
	for _, off := range []time.Duration{-time.Hour, -290 * time.Second, 290 * time.Second, 400 * 24 * time.Hour} {
		srv := mantatest.Start(t, mantatest.Options{Clock: func() time.Time { return time.Now().Add(off) }})
		srv.AddKey("alice", "", public)
		for _, first := range []string{"put", "stat"} {
			s := open(t, manta.Options{URL: srv.URL, Account: "alice", Key: manta.KeyOptions{File: name}})
			if first == "stat" {
				if _, err := s.Stat(t.Context(), "d/put"); err != nil {
					t.Errorf("%v: %v", off, err)
				}
			}
			if err := putError(t.Context(), s, store.Ref{Key: "d/" + first}); err != nil {
				t.Errorf("%v: %v", off, err)
			}
			srv.ResetCounters()
			if _, err := s.Stat(t.Context(), "d/put"); err != nil || srv.Counters().Total != 1 {
				t.Errorf("%v: %d requests, %v", off, srv.Counters().Total, err)
			}
		}
	}
}

// TestClockHopeless checks that a server that always refuses receives only two requests.
func TestClockHopeless(t *testing.T) {
	key, public := newKey(t, "ed25519")
	srv := mantatest.Start(t, mantatest.Options{})
	srv.AddKey("alice", "", public)
	s := open(t, manta.Options{URL: srv.URL, Account: "alice", Key: manta.KeyOptions{File: writeKey(t, key)}})
	srv.Fault(mantatest.On{}, mantatest.AnswerError(400, "InvalidHeader", "clock skew of 400s was greater than 300s"))
	if err := putError(t.Context(), s, store.Ref{Key: "d/o"}); store.Kind(err) != store.ErrPermission {
		t.Errorf("put: %v", err)
	}
	if n := srv.Counters().Total; n != 2 {
		t.Errorf("%d requests", n)
	}
}

// TestStrangers checks that access without permission is refused.
func TestStrangers(t *testing.T) {
	aliceKey, alice := newKey(t, "ed25519")
	bobKey, bob := newKey(t, "ed25519")
	srv := mantatest.Start(t, mantatest.Options{})
	srv.AddKey("alice", "", alice)
	srv.AddKey("alice", "ops", bob)
	srv.AddKey("bob", "", bob)
	ref := plant(t, srv, "d/o", text)
	aliceFile, bobFile := writeKey(t, aliceKey), writeKey(t, bobKey)
	for name, o := range map[string]manta.Options{
		"another account":    {Account: "bob", Owner: "alice", Key: manta.KeyOptions{File: bobFile}},
		"another's key":      {Account: "alice", Key: manta.KeyOptions{File: bobFile}},
		"unknown account":    {Account: "carol", Owner: "alice", Key: manta.KeyOptions{File: bobFile}},
		"unknown owner":      {Account: "alice", Owner: "carol", Key: manta.KeyOptions{File: aliceFile}},
		"unknown user":       {Account: "alice", SubUser: "dev", Key: manta.KeyOptions{File: bobFile}},
		"user without roles": {Account: "alice", SubUser: "ops", Key: manta.KeyOptions{File: bobFile}},
		"nobody":             {Owner: "alice", NoAuth: true},
	} {
		o.URL = srv.URL
		s := open(t, o)
		for op, call := range calls(s, ref) {
			if err := call(t.Context()); store.Kind(err) != store.ErrPermission {
				t.Errorf("%s: %s: %v", name, op, err)
			}
		}
	}
}

// TestPublic checks that anybody can read public objects, with or without a signature.
func TestPublic(t *testing.T) {
	_, alice := newKey(t, "ed25519")
	srv := mantatest.Start(t, mantatest.Options{})
	srv.AddKey("alice", "", alice)
	etag, err := srv.PutObject("/alice/public/thoth/d/o", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, manta.Options{URL: srv.URL, NoAuth: true, Dir: "/alice/public/thoth"})
	ref := store.Ref{Key: "d/o", ETag: etag}
	for _, op := range []string{"read", "get", "stat", "list"} {
		if err := calls(s, ref)[op](t.Context()); err != nil {
			t.Errorf("%s: %v", op, err)
		}
	}
	for _, op := range []string{"put", "remove"} {
		if err := calls(s, ref)[op](t.Context()); store.Kind(err) != store.ErrPermission {
			t.Errorf("%s: %v", op, err)
		}
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]manta.Options{
		"no URL":         {Owner: "alice", NoAuth: true},
		"not a URL":      {URL: "manta.example.com", Owner: "alice", NoAuth: true},
		"another scheme": {URL: "ftp://manta.example.com", Owner: "alice", NoAuth: true},
		"no account":     {URL: "https://manta.example.com"},
		"no owner":       {URL: "https://manta.example.com", NoAuth: true},
		"no key":         {URL: "https://manta.example.com", Account: "alice"},
		"no root":        {URL: "https://manta.example.com", Account: "alice", NoAuth: true, Dir: "/alice"},
		"not a path":     {URL: "https://manta.example.com", Account: "alice", NoAuth: true, Dir: "/alice//stor"},
	} {
		if _, err := manta.Open(o); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}
