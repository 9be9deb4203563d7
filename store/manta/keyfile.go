package manta

import (
	"bytes"
	"crypto"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// maxKeyFile is the maximum size of a key file in bytes.
const maxKeyFile = 64 << 10

// fileID identifies a version of a file.
type fileID struct {
	name  string
	size  int64
	mtime time.Time
}

// readSmall reads a file of at most maxKeyFile bytes.
func readSmall(name string) ([]byte, fileID, error) {
	fi, err := os.Stat(name)
	if err != nil {
		return nil, fileID{}, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxKeyFile {
		return nil, fileID{}, fmt.Errorf("%s: not a key", name)
	}
	b, err := os.ReadFile(name)
	return b, fileID{name, fi.Size(), fi.ModTime()}, err
}

// readKeyFile reads the private key in the file name. The key must match.
func readKeyFile(o KeyOptions, name string, match func(ssh.PublicKey) bool, old *Key) (*Key, error) {
	b, id, err := readSmall(name)
	if err != nil {
		return nil, err
	}
	if old != nil && old.file == id {
		return old, nil
	}
	signer, err := parsePrivateKey(b, func() ([]byte, error) { return askPassphrase(o, name) })
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", name, err)
	}
	key, err := newFileKey(signer, name, id)
	if err == nil && !match(key.public) {
		return nil, fmt.Errorf("key file %s: holds the key %s, not %s", name, key.Fingerprint(), o.ID)
	}
	return key, err
}

func askPassphrase(o KeyOptions, name string) ([]byte, error) {
	if o.Passphrase == nil {
		return nil, errors.New("the key is encrypted, and nobody can be asked for the passphrase")
	}
	return o.Passphrase(name)
}

// parsePrivateKey reads a private key in OpenSSH, PKCS#1, SEC 1 or PKCS#8 format, encrypted or
// not.
func parsePrivateKey(b []byte, passphrase func() ([]byte, error)) (crypto.Signer, error) {
	if block, _ := pem.Decode(b); block != nil && block.Type == "ENCRYPTED PRIVATE KEY" {
		pass, err := passphrase()
		if err != nil {
			return nil, err
		}
		der, err := decryptPKCS8(block.Bytes, pass)
		if err != nil {
			return nil, err
		}
		b = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		key, err := ssh.ParseRawPrivateKey(b)
		if err != nil {
			return nil, errPassphrase // the decrypted bytes are not a key
		}
		return signerOf(key)
	}
	key, err := ssh.ParseRawPrivateKey(b)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		var pass []byte
		if pass, err = passphrase(); err != nil {
			return nil, err
		}
		key, err = ssh.ParseRawPrivateKeyWithPassphrase(b, pass)
	}
	if err != nil {
		return nil, err
	}
	return signerOf(key)
}

func signerOf(key any) (crypto.Signer, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("keys of type %T cannot sign", key)
	}
	return signer, nil
}

// findKeyInDir finds the key in o.Dir. It checks the public keys first, and then private keys
// whose public key can be read without a passphrase. It returns nil if the key is not found.
func findKeyInDir(o KeyOptions, match func(ssh.PublicKey) bool, old *Key) (*Key, error) {
	if o.Dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(o.Dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := filepath.Join(o.Dir, e.Name())
		private, isPublic := strings.CutSuffix(name, ".pub")
		if !isPublic || !holdsPublic(name, match) {
			continue
		}
		if _, err := os.Stat(private); err == nil {
			return readKeyFile(o, private, match, old)
		}
	}
	for _, e := range entries {
		name := filepath.Join(o.Dir, e.Name())
		if holdsPrivate(name, match) {
			return readKeyFile(o, name, match, old)
		}
	}
	return nil, nil
}

// holdsPublic reports whether the file contains a matching public key.
func holdsPublic(name string, match func(ssh.PublicKey) bool) bool {
	b, _, err := readSmall(name)
	if err != nil {
		return false
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(b)
	return err == nil && match(public)
}

// holdsPrivate reports whether the file contains a matching private key. If the file is
// encrypted, only OpenSSH's own format reveals that.
func holdsPrivate(name string, match func(ssh.PublicKey) bool) bool {
	b, _, err := readSmall(name)
	if err != nil || !bytes.Contains(b, []byte("PRIVATE KEY")) {
		return false
	}
	signer, err := ssh.ParsePrivateKey(b)
	if err == nil {
		return match(signer.PublicKey())
	}
	var locked *ssh.PassphraseMissingError
	return errors.As(err, &locked) && locked.PublicKey != nil && match(locked.PublicKey)
}
