package manta

import (
	"context"
	"crypto"
	"crypto/rand"
	_ "crypto/sha256" // the hashes that signatures are made with
	_ "crypto/sha512"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// KeyOptions say where the key that signs is to be found.
type KeyOptions struct {
	ID          string // fingerprint: MD5 with or without "MD5:" and colons, or "SHA256:…"
	File        string // the private key; "" means look in the agent, then in Dir
	Dir         string // where keys lie, such as ~/.ssh; "" means nowhere
	AgentSocket string // $SSH_AUTH_SOCK; "" means no agent
	// Passphrase is asked for the passphrase of an encrypted key file, also later
	// when the file has changed. nil means that such keys cannot be used.
	Passphrase func(file string) ([]byte, error)
}

// Key signs. It is safe for concurrent use.
type Key struct {
	public    ssh.PublicKey
	source    string // where it is: shown to people
	file      fileID // zero for a key of the agent
	algorithm string // of its signatures, as HTTP signatures call it
	sign      func(ctx context.Context, data []byte) ([]byte, error)
}

// Fingerprint is the name of the key on the wire: the MD5 with colons.
func (k *Key) Fingerprint() string { return ssh.FingerprintLegacyMD5(k.public) }

// String says which key it is and where.
func (k *Key) String() string { return k.Fingerprint() + " in " + k.source }

// FindKey finds the key with the fingerprint o.ID. With a File and no ID it is
// the key in that file.
func FindKey(ctx context.Context, o KeyOptions) (*Key, error) { return findKey(ctx, o, nil) }

// findKey finds the key. A file that is still what it was when old was read is
// not read again, for that might mean asking for a passphrase.
func findKey(ctx context.Context, o KeyOptions, old *Key) (*Key, error) {
	match, err := parseKeyID(o.ID)
	if err != nil {
		return nil, err
	}
	if o.File != "" {
		return readKeyFile(o, o.File, match, old)
	}
	if o.ID == "" {
		return nil, errors.New("no Manta key given: want its fingerprint or its file")
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
		return nil, agentErr // it is there, but of no use
	}
	if err == nil {
		err = fmt.Errorf("no key %s in %s", o.ID, places(o))
	}
	return nil, errors.Join(err, agentErr)
}

// places says where keys are looked for.
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

// parseKeyID returns what a fingerprint asks of a key. Without one every key
// will do.
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

// newFileKey is the key that a private key makes.
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

// algorithm is what HTTP signatures call the way in which keys like k sign, "" if
// Manta takes none of them. It does not know SHA-384, so P-384 goes with SHA-512.
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

// hashOf is the hash that is signed instead of the data; 0 for Ed25519, which
// signs the data itself.
func hashOf(algorithm string) crypto.Hash {
	switch algorithm {
	case "rsa-sha256", "ecdsa-sha256":
		return crypto.SHA256
	case "ecdsa-sha512":
		return crypto.SHA512
	}
	return 0
}

// signature is the signature of data as HTTP signatures want it.
func (k *Key) signature(ctx context.Context, data []byte) ([]byte, error) {
	sig, err := k.sign(ctx, data)
	if err != nil {
		return nil, fmt.Errorf("sign with key %s: %w", k, err)
	}
	return sig, nil
}
