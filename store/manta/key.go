package manta

import (
	"context"
	"crypto"
	"crypto/rand"
	_ "crypto/sha256" // hash functions for signatures
	_ "crypto/sha512"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// KeyOptions specifies where to find the signing key.
type KeyOptions struct {
	ID          string // fingerprint: MD5 with or without "MD5:" and colons, or "SHA256:…"
	File        string // the private key; "" means search the agent, then Dir
	Dir         string // directory of keys, such as ~/.ssh; "" means none
	AgentSocket string // $SSH_AUTH_SOCK; "" means no agent
	// Passphrase returns the passphrase of an encrypted key file. It is called again if the
	// file has changed. If nil, encrypted keys cannot be used.
	Passphrase func(file string) ([]byte, error)
}

// Key is a signing key. It is safe for concurrent use.
type Key struct {
	public    ssh.PublicKey
	source    string // where the key was found, for messages
	file      fileID // zero for a key held by the agent
	algorithm string // name in HTTP signatures
	sign      func(ctx context.Context, data []byte) ([]byte, error)
}

// Fingerprint returns the name of the key in requests: its MD5 fingerprint with colons.
func (k *Key) Fingerprint() string { return ssh.FingerprintLegacyMD5(k.public) }

// String returns the fingerprint and the place where the key was found.
func (k *Key) String() string { return k.Fingerprint() + " in " + k.source }

// FindKey finds the key with the fingerprint o.ID. If o.File is set and o.ID is not, it returns
// the key in that file.
func FindKey(ctx context.Context, o KeyOptions) (*Key, error) { return findKey(ctx, o, nil) }

// findKey finds the key. It does not reread a file that has not changed since old was read,
// because that might require a passphrase.
func findKey(ctx context.Context, o KeyOptions, old *Key) (*Key, error) {
	match, err := parseKeyID(o.ID)
	if err != nil {
		return nil, err
	}
	if o.File != "" {
		return readKeyFile(o, o.File, match, old)
	}
	if o.ID == "" {
		return nil, errors.New("no Manta key: set MANTA_KEY_ID to a fingerprint")
	}
	key, agentErr := findAgentKey(ctx, o.AgentSocket, match, old)
	if key != nil {
		return key, nil
	}
	key, err = findKeyInDir(o, match, old)
	if key != nil {
		return key, err
	}
	if err == nil && errors.Is(agentErr, errAgentP384) {
		return nil, agentErr // it exists, but cannot be used
	}
	if err == nil {
		err = fmt.Errorf("no key %s in %s", o.ID, places(o))
	}
	return nil, errors.Join(err, agentErr)
}

// places returns the places that are searched for keys, for an error message.
func places(o KeyOptions) string {
	var p []string
	if o.AgentSocket != "" {
		p = append(p, "the ssh agent")
	}
	if o.Dir != "" {
		p = append(p, o.Dir)
	}
	if len(p) == 0 {
		return "no agent and no directory"
	}
	return strings.Join(p, " or ")
}

// parseKeyID returns a predicate for a fingerprint. If id is "", every key matches.
func parseKeyID(id string) (match func(ssh.PublicKey) bool, err error) {
	if id == "" {
		return func(ssh.PublicKey) bool { return true }, nil
	}
	if hash, ok := strings.CutPrefix(id, "SHA256:"); ok {
		want := "SHA256:" + strings.TrimRight(hash, "=")
		return func(k ssh.PublicKey) bool { return ssh.FingerprintSHA256(k) == want }, nil
	}
	want := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(id, "MD5:"), ":", ""))
	if len(want) != 32 || strings.Trim(want, "0123456789abcdef") != "" {
		return nil, fmt.Errorf("%q is not the fingerprint of a key", id)
	}
	return func(k ssh.PublicKey) bool {
		return strings.ReplaceAll(ssh.FingerprintLegacyMD5(k), ":", "") == want
	}, nil
}

// newFileKey returns the Key for a private key.
func newFileKey(signer crypto.Signer, name string, id fileID) (*Key, error) {
	public, err := ssh.NewPublicKey(signer.Public())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	k := &Key{public: public, source: name, file: id, algorithm: algorithm(public)}
	if k.algorithm == "" {
		return nil, fmt.Errorf("%s: Manta takes no keys of type %s", name, public.Type())
	}
	hash := hashOf(k.algorithm)
	k.sign = func(_ context.Context, data []byte) ([]byte, error) {
		if hash != 0 {
			h := hash.New()
			h.Write(data)
			data = h.Sum(nil)
		}
		return signer.Sign(rand.Reader, data, hash)
	}
	return k, nil
}

// algorithm returns the HTTP signature algorithm for k's type of key, or "" if Manta does not
// accept that type. Manta does not support SHA-384, so P-384 is used with SHA-512.
func algorithm(k ssh.PublicKey) string {
	switch k.Type() {
	case ssh.KeyAlgoRSA:
		return "rsa-sha256"
	case ssh.KeyAlgoECDSA256:
		return "ecdsa-sha256"
	case ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
		return "ecdsa-sha512"
	case ssh.KeyAlgoED25519:
		return "ed25519-sha512"
	}
	return ""
}

// hashOf returns the hash function to apply before signing, or 0 for Ed25519, which signs the
// data itself.
func hashOf(algorithm string) crypto.Hash {
	switch algorithm {
	case "rsa-sha256", "ecdsa-sha256":
		return crypto.SHA256
	case "ecdsa-sha512":
		return crypto.SHA512
	}
	return 0
}

// signature returns the signature of data in the format of HTTP signatures.
func (k *Key) signature(ctx context.Context, data []byte) ([]byte, error) {
	sig, err := k.sign(ctx, data)
	if err != nil {
		return nil, fmt.Errorf("sign with key %s: %w", k, err)
	}
	return sig, nil
}
