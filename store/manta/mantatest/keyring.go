package mantatest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// keyring holds the accounts, their keys and permissions.
type keyring struct {
	mu       sync.RWMutex             // guards the fields below
	accounts map[string]bool          // accounts added by AddAccount
	users    map[string]bool          // subusers, as "account/user"
	keys     map[string]ssh.PublicKey // keyed by keyId
	allowed  map[[2]string]bool       // {who, owner}
	verified map[string]bool          // valid signatures
}

// AddAccount creates account. Accounts that have a directory below Root exist too. Before the
// first AddAccount, every account exists.
func (s *Server) AddAccount(account string) {
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	s.keys.addAccountLocked(account)
}

func (k *keyring) addAccountLocked(account string) {
	if k.accounts == nil {
		k.accounts, k.users = map[string]bool{}, map[string]bool{}
		k.keys, k.allowed = map[string]ssh.PublicKey{}, map[[2]string]bool{}
	}
	k.accounts[account] = true
}

// AddKey registers a key of account or, if subUser is set, of that subuser of account. Once it
// has a key, the server requires authentication.
func (s *Server) AddKey(account, subUser string, key ssh.PublicKey) {
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	s.keys.addAccountLocked(account)
	who := account
	if subUser != "" {
		who += "/" + subUser
		s.keys.users[who] = true
	}
	s.keys.keys[keyID(who, key)] = key
}

// RemoveKey removes a key.
func (s *Server) RemoveKey(account, subUser string, key ssh.PublicKey) {
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	who := account
	if subUser != "" {
		who += "/" + subUser
	}
	delete(s.keys.keys, keyID(who, key))
	s.keys.verified = nil
}

// Allow gives who, "account" or "account/user", full access to owner's account. An account always
// has access to itself; a subuser does not.
func (s *Server) Allow(who, owner string) {
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	account, _, _ := strings.Cut(who, "/")
	s.keys.addAccountLocked(account)
	s.keys.addAccountLocked(owner)
	s.keys.allowed[[2]string{who, owner}] = true
}

// keyID returns the name of a key in requests, which contains its MD5 fingerprint with colons.
func keyID(who string, key ssh.PublicKey) string {
	return "/" + who + "/keys/" + ssh.FingerprintLegacyMD5(key)
}

// open reports whether the server requires no authentication.
func (k *keyring) open() bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return len(k.keys) == 0
}

func (k *keyring) allows(who, owner string) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return who == owner || k.allowed[[2]string{who, owner}]
}

// hasAccount reports whether account exists.
func (s *Server) hasAccount(account string) bool {
	s.keys.mu.RLock()
	named, any := s.keys.accounts[account], len(s.keys.accounts) > 0
	s.keys.mu.RUnlock()
	if named || !any {
		return true
	}
	fi, err := os.Stat(filepath.Join(s.tree.root, diskName(account)))
	return err == nil && fi.IsDir()
}

// maxVerified is the maximum number of cached valid signatures.
const maxVerified = 1000

// check reports whether sig is a valid signature of text by the key keyID. A client may use one
// signature for all requests within a second, so valid signatures are cached.
func (k *keyring) check(keyID string, key ssh.PublicKey, algorithm, text string, sig []byte) bool {
	name := strings.Join([]string{keyID, algorithm, text, string(sig)}, "\x00")
	k.mu.RLock()
	known := k.verified[name]
	k.mu.RUnlock()
	if known || !verify(key, algorithm, []byte(text), sig) {
		return known
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.verified == nil || len(k.verified) >= maxVerified {
		k.verified = map[string]bool{}
	}
	k.verified[name] = true
	return true
}

// find returns the key keyID, or an error if it does not exist.
func (k *keyring) find(keyID string) (who string, key ssh.PublicKey, err error) {
	parts := strings.Split(strings.TrimPrefix(keyID, "/"), "/")
	i := slices.Index(parts, "keys")
	if i < 1 || i > 2 || len(parts) != i+2 {
		return "", nil, apiErrorf(403, "InvalidKeyId", "the KeyId token you provided is invalid")
	}
	who = strings.Join(parts[:i], "/")
	k.mu.RLock()
	defer k.mu.RUnlock()
	if !k.accounts[parts[0]] {
		return "", nil, apiErrorf(403, "AccountDoesNotExist", "%s does not exist", parts[0])
	}
	if i == 2 && !k.users[who] {
		return "", nil, apiErrorf(403, "UserDoesNotExist", "%s does not exist", who)
	}
	key, ok := k.keys[keyID]
	if !ok {
		return "", nil, apiErrorf(403, "KeyDoesNotExist", "%s does not exist", keyID)
	}
	return who, key, nil
}
