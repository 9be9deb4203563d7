package manta_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"thothfs/store"
	"thothfs/store/manta"
	"thothfs/store/manta/mantatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a store, and closes it when the test ends.
func open(t *testing.T, o manta.Options) *manta.Store {
	t.Helper()
	s, err := manta.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// start starts a server without authentication, and opens alice's corpus on it.
func start(t *testing.T) (*mantatest.Server, *manta.Store) {
	t.Helper()
	srv := mantatest.Start(t, mantatest.Options{})
	return srv, open(t, manta.Options{URL: srv.URL, Owner: "alice", NoAuth: true})
}

// corpus is the path of the corpus on the servers made by start.
const corpus = "/alice/stor/thoth/"

// plant stores an object directly, without the client.
func plant(t *testing.T, srv *mantatest.Server, key, data string) store.Ref {
	t.Helper()
	etag, err := srv.PutObject(corpus+key, []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return store.Ref{Key: key, ETag: etag}
}

// newKey generates a private key.
func newKey(t *testing.T, kind string) (crypto.PrivateKey, ssh.PublicKey) {
	t.Helper()
	var key crypto.Signer
	var err error
	switch kind {
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ecdsa-256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ecdsa-384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ecdsa-521":
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		t.Fatalf("no keys of type %s", kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return key, public
}

// keyTypes lists all types of key that Manta accepts.
var keyTypes = []string{"rsa", "ecdsa-256", "ecdsa-384", "ecdsa-521", "ed25519"}

// writeKey writes key in OpenSSH's format and returns the file's name.
func writeKey(t *testing.T, key crypto.PrivateKey) string {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "test")
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, pem.EncodeToMemory(block))
}

func writeFile(t *testing.T, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// makeRoot creates a record for /alice/stor, as PUT does.
func makeRoot(t *testing.T, srv *mantatest.Server) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, srv.URL+"/alice/stor", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json; type=directory")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
}
