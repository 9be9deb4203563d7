package manta

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"hash"
)

// errPassphrase means that the passphrase does not decrypt the key.
var errPassphrase = errors.New("the passphrase is wrong")

// maxIterations is the limit for the number of iterations, since a hostile file could request too
// many.
const maxIterations = 10_000_000

// The structures of PKCS#8 (RFC 5208, section 6) and PBES2 (RFC 8018, appendix A).
type (
	encryptedKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2Params struct {
		KDF, Cipher pkix.AlgorithmIdentifier
	}
	pbkdf2Params struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
)

// aesKeyLength returns the key length of the AES-CBC cipher identified by oid, or 0.
func aesKeyLength(oid asn1.ObjectIdentifier) int {
	switch oid.String() {
	case "2.16.840.1.101.3.4.1.2":
		return 16
	case "2.16.840.1.101.3.4.1.22":
		return 24
	case "2.16.840.1.101.3.4.1.42":
		return 32
	}
	return 0
}

// prf returns the hash of the pseudo-random function identified by oid; the default is
// HMAC-SHA-1.
func prf(oid asn1.ObjectIdentifier) func() hash.Hash {
	switch oid.String() {
	case "", "1.2.840.113549.2.7":
		return sha1.New
	case "1.2.840.113549.2.9":
		return sha256.New
	case "1.2.840.113549.2.10":
		return sha512.New384
	case "1.2.840.113549.2.11":
		return sha512.New
	}
	return nil
}

// decryptPKCS8 decrypts an encrypted PKCS#8 key in the format written by openssl: AES-CBC with a
// key from PBKDF2.
func decryptPKCS8(der, passphrase []byte) ([]byte, error) {
	var (
		outer  encryptedKey
		scheme pbes2Params
		kdf    pbkdf2Params
		iv     []byte
	)
	unsupported := errors.New("this encryption of keys is not supported; ssh-keygen -p changes it")
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		return nil, err
	}
	if !outer.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, unsupported
	}
	if _, err := asn1.Unmarshal(outer.Algorithm.Parameters.FullBytes, &scheme); err != nil {
		return nil, err
	}
	length := aesKeyLength(scheme.Cipher.Algorithm)
	if !scheme.KDF.Algorithm.Equal(oidPBKDF2) || length == 0 {
		return nil, unsupported
	}
	if _, err := asn1.Unmarshal(scheme.KDF.Parameters.FullBytes, &kdf); err != nil {
		return nil, err
	}
	if _, err := asn1.Unmarshal(scheme.Cipher.Parameters.FullBytes, &iv); err != nil {
		return nil, err
	}
	h := prf(kdf.PRF.Algorithm)
	if h == nil || kdf.Iterations < 1 || kdf.Iterations > maxIterations {
		return nil, unsupported
	}
	key, err := pbkdf2.Key(h, string(passphrase), kdf.Salt, kdf.Iterations, length)
	if err != nil {
		return nil, err
	}
	return decryptCBC(key, iv, outer.Data)
}

// decryptCBC decrypts data and removes the padding.
func decryptCBC(key, iv, data []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if len(iv) != aes.BlockSize || len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, errors.New("the encrypted key is damaged")
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > aes.BlockSize {
		return nil, errPassphrase
	}
	return plain[:len(plain)-pad], nil
}
