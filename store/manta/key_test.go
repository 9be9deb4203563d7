package manta_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"thothfs/store"
	"thothfs/store/manta"
	"thothfs/store/manta/mantatest"
)

// encode returns key in PEM with the given block type.
func encode(t *testing.T, kind string, key crypto.PrivateKey) []byte {
	t.Helper()
	var der []byte
	var err error
	switch kind {
	case "RSA PRIVATE KEY":
		der = x509.MarshalPKCS1PrivateKey(key.(*rsa.PrivateKey))
	case "EC PRIVATE KEY":
		der, err = x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey))
	case "PRIVATE KEY":
		der, err = x509.MarshalPKCS8PrivateKey(key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// signs checks that a corpus opened with the given key can be used.
func signs(t *testing.T, public ssh.PublicKey, o manta.KeyOptions) {
	t.Helper()
	srv := mantatest.Start(t, mantatest.Options{})
	srv.AddKey("alice", "", public)
	s := open(t, manta.Options{URL: srv.URL, Account: "alice", Key: o})
	if err := putError(t.Context(), s, store.Ref{Key: "d/o"}); err != nil {
		t.Error(err)
	}
}

func TestKeyFormats(t *testing.T) {
	for _, c := range []struct{ key, kind string }{
		{"rsa", "RSA PRIVATE KEY"}, {"ecdsa-256", "EC PRIVATE KEY"}, {"ecdsa-521", "EC PRIVATE KEY"},
		{"rsa", "PRIVATE KEY"}, {"ecdsa-384", "PRIVATE KEY"}, {"ed25519", "PRIVATE KEY"},
	} {
		t.Run(c.key+" "+c.kind, func(t *testing.T) {
			key, public := newKey(t, c.key)
			signs(t, public, manta.KeyOptions{File: writeFile(t, encode(t, c.kind, key))})
		})
	}
}

func TestKeyEncrypted(t *testing.T) {
	key, public := newKey(t, "ed25519")
	block, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]ssh.PublicKey{writeFile(t, pem.EncodeToMemory(block)): public}
	for _, name := range []string{"pkcs1-encrypted", "pkcs8-encrypted", "pkcs8-encrypted-sha1"} {
		files["testdata/keys/"+name] = readPublic(t, "testdata/keys/"+name+".pub")
	}
	for name, public := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			pass := func(p string) func(string) ([]byte, error) {
				return func(string) ([]byte, error) { return []byte(p), nil }
			}
			signs(t, public, manta.KeyOptions{File: name, Passphrase: pass("secret")})
			for what, o := range map[string]manta.KeyOptions{
				"wrong":  {File: name, Passphrase: pass("swordfish")},
				"empty":  {File: name, Passphrase: pass("")},
				"nobody": {File: name},
				"no":     {File: name, Passphrase: func(string) ([]byte, error) { return nil, errors.New("went away") }},
			} {
				if k, err := manta.FindKey(t.Context(), o); err == nil || strings.Contains(err.Error(), "swordfish") {
					t.Errorf("%s: %v, %v", what, k, err)
				}
			}
		})
	}
	_, err = manta.FindKey(t.Context(), manta.KeyOptions{File: "testdata/keys/pkcs8-encrypted-3des", Passphrase: func(string) ([]byte, error) { return []byte("secret"), nil }})
	if err == nil || !strings.Contains(err.Error(), "not supported") {
		t.Errorf("3DES: %v", err)
	}
}

func readPublic(t *testing.T, name string) ssh.PublicKey {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	k, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestKeyID finds a key among others by each form of its ID.
func TestKeyID(t *testing.T) {
	dir := t.TempDir()
	var want ssh.PublicKey
	for _, kind := range keyTypes {
		key, public := newKey(t, kind)
		want = public
		copyKey(t, writeKey(t, key), filepath.Join(dir, "id_"+kind), public)
	}
	md5 := ssh.FingerprintLegacyMD5(want)
	sha := ssh.FingerprintSHA256(want)
	ids := []string{md5, "MD5:" + md5, strings.ToUpper(md5), strings.ReplaceAll(md5, ":", ""), sha, sha + "="}
	find := func(what string) {
		for _, id := range ids {
			k, err := manta.FindKey(t.Context(), manta.KeyOptions{ID: id, Dir: dir})
			if err != nil || k.Fingerprint() != md5 {
				t.Errorf("%s: %s: %v, %v", what, id, k, err)
			}
		}
	}
	find("with public keys")
	for _, kind := range keyTypes {
		if err := os.Remove(filepath.Join(dir, "id_"+kind+".pub")); err != nil {
			t.Fatal(err)
		}
	}
	find("without")
	_, other := newKey(t, "ed25519")
	for _, o := range []manta.KeyOptions{
		{ID: ssh.FingerprintSHA256(other), Dir: dir}, {ID: "SHA1:xyz", Dir: dir}, {ID: "nonsense", Dir: dir}, {Dir: dir}, {},
		{ID: md5, Dir: dir + "/absent"}, {ID: md5}, {ID: ssh.FingerprintSHA256(other), File: dir + "/id_rsa"}, {File: dir + "/absent"}, {File: dir},
	} {
		if k, err := manta.FindKey(t.Context(), o); err == nil {
			t.Errorf("%+v: found %v", o, k)
		}
	}
}

func copyKey(t *testing.T, from, to string, public ssh.PublicKey) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to+".pub", ssh.MarshalAuthorizedKey(public), 0o644); err != nil {
		t.Fatal(err)
	}
}

// startAgent serves keys on a socket and returns a function that stops it.
func startAgent(t *testing.T, socket string, keys ...crypto.PrivateKey) (stop func()) {
	t.Helper()
	ring := agent.NewKeyring()
	for _, k := range keys {
		if err := ring.Add(agent.AddedKey{PrivateKey: k}); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = agent.ServeAgent(ring, conn)
			conn.Close()
		}
	}()
	return func() { l.Close(); <-done }
}

func TestKeyAgent(t *testing.T) {
	for _, kind := range keyTypes {
		if kind == "ecdsa-384" {
			continue // see TestKeyAgentP384
		}
		t.Run(kind, func(t *testing.T) {
			key, public := newKey(t, kind)
			other, _ := newKey(t, "ed25519")
			socket := filepath.Join(t.TempDir(), "agent")
			defer startAgent(t, socket, other, key)()
			signs(t, public, manta.KeyOptions{ID: ssh.FingerprintLegacyMD5(public), AgentSocket: socket})
		})
	}
}

// TestKeyAgentP384 checks the error for a P-384 key in an agent, which would sign with SHA-384,
// which Manta refuses. It also checks that a file with the key is used instead if there is one.
func TestKeyAgentP384(t *testing.T) {
	key, public := newKey(t, "ecdsa-384")
	dir := t.TempDir()
	socket := filepath.Join(dir, "agent")
	defer startAgent(t, socket, key)()
	o := manta.KeyOptions{ID: ssh.FingerprintLegacyMD5(public), AgentSocket: socket, Dir: dir}
	_, err := manta.FindKey(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "P-384") || !strings.Contains(err.Error(), "file") || strings.Contains(err.Error(), "no key") {
		t.Errorf("in the agent alone: %v", err)
	}
	copyKey(t, writeKey(t, key), filepath.Join(dir, "id_ecdsa"), public)
	signs(t, public, o)
}

// TestKeyTypes checks that signatures by every type of key are accepted.
func TestKeyTypes(t *testing.T) {
	for _, kind := range keyTypes {
		t.Run(kind, func(t *testing.T) {
			key, public := newKey(t, kind)
			signs(t, public, manta.KeyOptions{File: writeKey(t, key)})
		})
	}
}

// TestKeyAgentGone checks that each signature uses a new connection to the agent, so that a
// restarted agent is found, and that the file is used when the agent is gone.
func TestKeyAgentGone(t *testing.T) {
	key, public := newKey(t, "rsa")
	dir := t.TempDir()
	socket := filepath.Join(dir, "agent")
	srv := mantatest.Start(t, mantatest.Options{})
	srv.AddKey("alice", "", public)
	stop := startAgent(t, socket, key)
	s := open(t, manta.Options{URL: srv.URL, Account: "alice", Key: manta.KeyOptions{ID: ssh.FingerprintSHA256(public), AgentSocket: socket, Dir: dir}})
	if err := putError(t.Context(), s, store.Ref{Key: "d/1"}); err != nil {
		t.Fatal(err)
	}
	stop()
	nextSecond(t)
	err := putError(t.Context(), s, store.Ref{Key: "d/2"})
	if store.Kind(err) != store.ErrPermission || !strings.Contains(err.Error(), "agent") {
		t.Errorf("without an agent: %v", err)
	}
	stop = startAgent(t, socket, key)
	if err := putError(t.Context(), s, store.Ref{Key: "d/2"}); err != nil {
		t.Errorf("with a new agent: %v", err)
	}
	stop()
	nextSecond(t)
	copyKey(t, writeKey(t, key), filepath.Join(dir, "id_rsa"), public)
	if err := putError(t.Context(), s, store.Ref{Key: "d/3"}); err != nil {
		t.Errorf("with a file: %v", err)
	}
}

// nextSecond waits until signatures of the current second are no longer valid.
func nextSecond(t *testing.T) {
	t.Helper()
	now := time.Now()
	ctx, cancel := context.WithDeadline(t.Context(), now.Truncate(time.Second).Add(time.Second))
	defer cancel()
	<-ctx.Done()
}

// TestKeyReloaded checks that a replaced key file is reread when the server refuses the old key,
// but only once and only then.
func TestKeyReloaded(t *testing.T) {
	one, onePublic := newKey(t, "ed25519")
	two, twoPublic := newKey(t, "ecdsa-256")
	name := writeKey(t, one)
	srv := mantatest.Start(t, mantatest.Options{})
	srv.AddKey("alice", "", onePublic)
	s := open(t, manta.Options{URL: srv.URL, Account: "alice", Key: manta.KeyOptions{File: name}})
	if err := putError(t.Context(), s, store.Ref{Key: "d/1"}); err != nil {
		t.Fatal(err)
	}
	srv.AddKey("alice", "", twoPublic)
	srv.RemoveKey("alice", "", onePublic)
	srv.ResetCounters()
	if err := putError(t.Context(), s, store.Ref{Key: "d/2"}); store.Kind(err) != store.ErrPermission {
		t.Errorf("with a key that is no more: %v", err)
	}
	if n := srv.Counters().Total; n != 1 {
		t.Errorf("%d requests with a key that is no more", n)
	}
	if err := os.Rename(writeKey(t, two), name); err != nil {
		t.Fatal(err)
	}
	// A refused HEAD returns no error code.
	if _, err := s.Stat(t.Context(), "d/1"); err != nil {
		t.Errorf("with the new key: %v", err)
	}
	if err := putError(t.Context(), s, store.Ref{Key: "d/2"}); err != nil {
		t.Errorf("with the new key: %v", err)
	}
}

// TestSecrets checks that no message contains the passphrase or a signature.
func TestSecrets(t *testing.T) {
	key, public := newKey(t, "ed25519")
	srv := mantatest.Start(t, mantatest.Options{})
	srv.AddKey("alice", "", public)
	u := strings.Replace(srv.URL, "http://", "http://someone:swordfish@", 1) + "?token=swordfish"
	var log bytes.Buffer
	s := open(t, manta.Options{URL: u, Account: "alice", Key: manta.KeyOptions{File: writeKey(t, key)}, Log: debugLog(&log)})
	srv.Fault(mantatest.On{}, echoAuthorization())
	for op, call := range calls(s, store.Ref{Key: "d/o", ETag: "x"}) {
		err := call(t.Context())
		if err == nil || strings.Contains(err.Error(), "swordfish") || strings.Contains(err.Error(), "==") {
			t.Errorf("%s: %v", op, err)
		}
	}
	if l := log.String(); strings.Contains(l, "swordfish") || strings.Contains(l, "==") {
		t.Errorf("log: %s", l)
	}
}
