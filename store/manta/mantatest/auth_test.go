package mantatest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"thothfs/store/manta/mantatest"
)

// signer makes kinds of HTTP signatures that our client does not make.
type signer struct {
	key    crypto.Signer
	public ssh.PublicKey
}

func newSigner(t *testing.T, key crypto.Signer) signer {
	t.Helper()
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return signer{key, public}
}

func (s signer) sign(t *testing.T, hash crypto.Hash, text string) string {
	t.Helper()
	sum := []byte(text)
	if hash != 0 {
		h := hash.New()
		h.Write(sum)
		sum = h.Sum(nil)
	}
	sig, err := s.key.Sign(rand.Reader, sum, hash)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(sig)
}

// header returns Date and Authorization headers with a signature that covers only the date.
func (s signer) header(t *testing.T, who, algorithm string, hash crypto.Hash, date string) []string {
	t.Helper()
	return []string{"Date: " + date, fmt.Sprintf(`Authorization: Signature keyId="/%s/keys/%s",algorithm="%s",signature="%s"`,
		who, ssh.FingerprintLegacyMD5(s.public), algorithm, s.sign(t, hash, "date: "+date))}
}

func httpDate(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") }

func TestSignatures(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, mantatest.Options{Clock: at(noon)})
	for _, k := range []struct {
		key       crypto.Signer
		algorithm string
		hash      crypto.Hash
	}{
		{rsaKey, "rsa-sha1", crypto.SHA1},
		{rsaKey, "rsa-sha256", crypto.SHA256},
		{rsaKey, "RSA-SHA512", crypto.SHA512},
		{ecKey(t, elliptic.P256()), "ecdsa-sha256", crypto.SHA256},
		{ecKey(t, elliptic.P384()), "ecdsa-sha512", crypto.SHA512},
		{ecKey(t, elliptic.P384()), "ecdsa-sha256", crypto.SHA256},
		{ecKey(t, elliptic.P521()), "ecdsa-sha512", crypto.SHA512},
		{edKey, "ed25519-sha512", 0},
	} {
		s := newSigner(t, k.key)
		c.srv.AddKey("alice", "", s.public)
		c.wantStatus(200, "GET", "/alice/stor", "", s.header(t, "alice", k.algorithm, k.hash, httpDate(noon))...)
		c.wantStatus(200, "GET", "/alice/stor", "", s.header(t, "alice", k.algorithm, k.hash, strings.Replace(httpDate(noon), "GMT", "UTC", 1))...)
		wrong := s.header(t, "alice", k.algorithm, k.hash, httpDate(noon))
		wrong[0] = "Date: " + httpDate(noon.Add(time.Second))
		c.wantError(403, "InvalidSignature", "GET", "/alice/stor", "", wrong...)
	}
}

func ecKey(t *testing.T, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestSignedHeaders(t *testing.T) {
	c := newClient(t, mantatest.Options{Clock: at(noon)})
	s := newSigner(t, ecKey(t, elliptic.P256()))
	c.srv.AddKey("alice", "", s.public)
	send := func(headers, text string) answer {
		return c.do("GET", "/alice/stor?limit=5", "", "Date: "+httpDate(noon), "X-Date: "+httpDate(noon), fmt.Sprintf(
			`Authorization: Signature keyId="/alice/keys/%s",algorithm="ecdsa-sha256",headers="%s",signature="%s"`,
			ssh.FingerprintLegacyMD5(s.public), headers, s.sign(t, crypto.SHA256, text)))
	}
	d := httpDate(noon)
	for headers, text := range map[string]string{
		"date":                       "date: " + d,
		"x-date":                     "x-date: " + d,
		"date (request-target) host": "date: " + d + "\n(request-target): get /alice/stor?limit=5\nhost: manta",
	} {
		if a := send(headers, text); a.status != 200 {
			t.Errorf("%s: %v", headers, a)
		}
	}
	for _, headers := range []string{"host", "date m-none"} {
		if a := send(headers, "date: "+d); !a.isError(400, "InvalidHeader") {
			t.Errorf("%s: %v", headers, a)
		}
	}
}

func TestAuthorization(t *testing.T) {
	c := newClient(t, mantatest.Options{Clock: at(noon)})
	alice, bob := newSigner(t, ecKey(t, elliptic.P256())), newSigner(t, ecKey(t, elliptic.P256()))
	c.srv.AddKey("alice", "", alice.public)
	c.srv.AddKey("alice", "ops", bob.public)
	c.srv.AddKey("bob", "", bob.public)
	for _, p := range []string{"/alice/stor/o", "/alice/public/o"} {
		if _, err := c.srv.PutObject(p, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	as := func(s signer, who string) []string {
		return s.header(t, who, "ecdsa-sha256", crypto.SHA256, httpDate(noon))
	}
	c.wantStatus(200, "GET", "/alice/stor/o", "", as(alice, "alice")...)
	c.wantError(403, "AuthorizationFailed", "GET", "/alice/stor/o", "", as(bob, "bob")...)
	c.wantError(404, "ResourceNotFound", "GET", "/alice/stor/none", "", as(bob, "bob")...) // anybody may learn that it is absent
	c.wantError(403, "AuthorizationFailed", "PUT", "/alice/stor/o", "x", as(bob, "bob")...)
	c.wantError(403, "AuthorizationFailed", "GET", "/alice/stor/o", "", as(bob, "alice/ops")...)
	c.wantError(403, "KeyDoesNotExist", "GET", "/alice/stor/o", "", as(bob, "alice")...)
	c.wantError(403, "UserDoesNotExist", "GET", "/alice/stor/o", "", as(bob, "alice/dev")...)
	c.wantError(403, "AccountDoesNotExist", "GET", "/alice/stor/o", "", as(bob, "carol")...)
	c.wantError(403, "AccountDoesNotExist", "GET", "/carol/stor/o", "", as(bob, "bob")...)
	c.wantError(403, "InvalidKeyId", "GET", "/alice/stor/o", "", as(bob, "a/b/c")...)
	c.wantError(403, "AuthorizationSchemeNotAllowed", "GET", "/alice/stor/o", "", "Authorization: Basic eDp5")
	c.wantError(400, "InvalidHeader", "GET", "/alice/stor/o", "", "Date: "+httpDate(noon), "Authorization: Signature nonsense")
	bare := as(alice, "alice")
	bare[1] = strings.Replace(bare[1], ssh.FingerprintLegacyMD5(alice.public), strings.ReplaceAll(ssh.FingerprintLegacyMD5(alice.public), ":", ""), 1)
	c.wantError(403, "KeyDoesNotExist", "GET", "/alice/stor/o", "", bare...) // a fingerprint without colons does not identify a key
	for _, h := range [][]string{nil, {"Authorization: "}} {
		c.wantError(403, "AuthorizationFailed", "GET", "/alice/stor/o", "", h...)
		c.wantError(403, "AuthorizationFailed", "GET", "/alice/stor/none", "", h...)
		c.wantStatus(200, "GET", "/alice/public/o", "", h...)
		c.wantStatus(200, "GET", "/alice/public", "", h...)
		c.wantError(403, "AuthorizationFailed", "PUT", "/alice/public/o", "x", h...)
	}
	c.srv.Allow("bob", "alice")
	c.wantStatus(200, "GET", "/alice/stor/o", "", as(bob, "bob")...)
	c.srv.RemoveKey("bob", "", bob.public)
	c.wantError(403, "KeyDoesNotExist", "GET", "/alice/stor/o", "", as(bob, "bob")...)
}

func TestSkew(t *testing.T) {
	c := newClient(t, mantatest.Options{Clock: at(noon)})
	s := newSigner(t, ecKey(t, elliptic.P256()))
	c.srv.AddKey("alice", "", s.public)
	for off, status := range map[time.Duration]int{-299 * time.Second: 200, 300 * time.Second: 200, 302 * time.Second: 400, -302 * time.Second: 400} {
		a := c.wantStatus(status, "GET", "/alice/stor", "", s.header(t, "alice", "ecdsa-sha256", crypto.SHA256, httpDate(noon.Add(off)))...)
		if status == 400 && (!a.isError(400, "InvalidHeader") || !strings.Contains(a.body, "clock skew of 30")) {
			t.Errorf("%v: %v", off, a)
		}
	}
}
