package manta_test

import (
	"testing"
	"time"

	"thothfs/store"
	"thothfs/store/manta"
	"thothfs/store/manta/mantatest"
	"thothfs/store/storetest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store {
		_, s := start(t)
		return s
	}, storetest.Features{NoRawBytes: true})
}

// brief selects a shorter contract test, with fewer entries and bytes.
var brief = storetest.Features{NoRawBytes: true, Entries: 40, Big: 2<<20 + 7}

func TestContractGzip(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store {
		srv := mantatest.Start(t, mantatest.Options{Gzip: true})
		return open(t, manta.Options{URL: srv.URL, Owner: "alice", NoAuth: true})
	}, brief)
}

func TestContractLatency(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store {
		srv := mantatest.Start(t, mantatest.Options{Latency: 2 * time.Millisecond, Bandwidth: 500 << 20})
		return open(t, manta.Options{URL: srv.URL, Owner: "alice", NoAuth: true})
	}, brief)
}

// TestContractOtherDirectory uses a corpus in another directory, which has a hostile name.
func TestContractOtherDirectory(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store {
		srv := mantatest.Start(t, mantatest.Options{})
		return open(t, manta.Options{URL: srv.URL, NoAuth: true, Dir: "/alice/public/../a b/./é%2F"})
	}, brief)
}

func TestContractAuth(t *testing.T) {
	t.Parallel()
	for _, kind := range keyTypes {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			key, public := newKey(t, kind)
			name := writeKey(t, key)
			storetest.Run(t, func(t *testing.T) store.Store {
				srv := mantatest.Start(t, mantatest.Options{})
				srv.AddKey("alice", "", public)
				return open(t, manta.Options{URL: srv.URL, Account: "alice", Key: manta.KeyOptions{File: name}})
			}, brief)
		})
	}
}

func TestContractCrossAccount(t *testing.T) {
	t.Parallel()
	key, public := newKey(t, "ed25519")
	name := writeKey(t, key)
	storetest.Run(t, func(t *testing.T) store.Store {
		srv := mantatest.Start(t, mantatest.Options{})
		srv.AddKey("bob", "", public)
		srv.Allow("bob", "bobby") // a name with the same prefix, which confuses triton-go
		return open(t, manta.Options{URL: srv.URL, Account: "bob", Owner: "bobby", Key: manta.KeyOptions{File: name}})
	}, brief)
}

func TestContractSubUser(t *testing.T) {
	t.Parallel()
	key, public := newKey(t, "ecdsa-256")
	name := writeKey(t, key)
	storetest.Run(t, func(t *testing.T) store.Store {
		srv := mantatest.Start(t, mantatest.Options{})
		srv.AddKey("alice", "ops", public)
		srv.Allow("alice/ops", "alice")
		return open(t, manta.Options{URL: srv.URL, Account: "alice", SubUser: "ops", Key: manta.KeyOptions{File: name}})
	}, brief)
}
