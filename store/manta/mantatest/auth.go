package mantatest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha1" // hash functions for signatures
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	maxSkew = 300 * time.Second // for signed requests, in either direction
	maxAge  = 600 * time.Second // for all requests with a date, in production
)

// caller is the account or subuser that makes a request.
type caller struct {
	who       string // "account" or "account/user"
	anonymous bool
}

var authParam = regexp.MustCompile(`([a-zA-Z]+)="([^"]*)"`)

func invalidHeader(format string, args ...any) error {
	return apiErrorf(http.StatusBadRequest, "InvalidHeader", format, args...)
}

// checkAge checks that the request, signed or not, is not too old.
func (s *Server) checkAge(r *http.Request) error {
	if date, ok := headerDate(r, "Date"); ok && s.clock().Sub(date) > maxAge {
		return apiErrorf(http.StatusBadRequest, "RequestExpired", "Date header %s is too old", r.Header.Get("Date"))
	}
	return nil
}

// authenticate returns the caller.
func (s *Server) authenticate(r *http.Request) (caller, error) {
	h := strings.TrimSpace(r.Header.Get("Authorization"))
	if h == "" || s.keys.open() {
		return caller{anonymous: true}, nil
	}
	scheme, rest, _ := strings.Cut(h, " ")
	if !strings.EqualFold(scheme, "Signature") {
		return caller{}, apiErrorf(http.StatusForbidden, "AuthorizationSchemeNotAllowed", "%s is not allowed", scheme)
	}
	params := map[string]string{"headers": "date"}
	for _, m := range authParam.FindAllStringSubmatch(rest, -1) {
		params[m[1]] = m[2]
	}
	algorithm := strings.ToLower(params["algorithm"])
	if err := checkAlgorithm(algorithm); err != nil {
		return caller{}, err
	}
	text, err := s.signedText(r, strings.Fields(strings.ToLower(params["headers"])))
	if err != nil {
		return caller{}, err
	}
	sig, err := base64.StdEncoding.DecodeString(params["signature"])
	if err != nil || params["keyId"] == "" || len(sig) == 0 {
		return caller{}, invalidHeader("the authorization header is malformed")
	}
	who, key, err := s.keys.find(params["keyId"])
	if err != nil {
		return caller{}, err
	}
	if !s.keys.check(params["keyId"], key, algorithm, text, sig) {
		return caller{}, apiErrorf(http.StatusForbidden, "InvalidSignature", "the signature we calculated does not match the one you sent")
	}
	return caller{who: who}, nil
}

// algorithms lists the algorithms in muskie's list whose hash its signature parser supports. The
// list also contains rsa-sha384 and ecdsa-sha384, which the parser rejects first.
var algorithms = []string{"rsa-sha1", "rsa-sha256", "rsa-sha512", "dsa-sha1", "dsa-sha256", "ecdsa-sha256", "ecdsa-sha512", "ed25519-sha512"}

// checkAlgorithm returns the error for an unsupported algorithm: the parser's error, or muskie's
// own.
func checkAlgorithm(algorithm string) error {
	kind, hash, _ := strings.Cut(algorithm, "-")
	if algorithm != "" && (!slices.Contains([]string{"rsa", "dsa", "ecdsa", "ed25519", "hmac"}, kind) || !slices.Contains([]string{"sha1", "sha256", "sha512"}, hash)) {
		return invalidHeader("%s is not supported", algorithm)
	}
	if algorithm != "" && !slices.Contains(algorithms, algorithm) {
		return apiErrorf(http.StatusUnauthorized, "InvalidAlgorithm", "%s is not a supported signing algorithm. Supported algorithms are %s",
			strings.ToUpper(algorithm), strings.ToUpper(strings.Join(algorithms, ", ")))
	}
	return nil
}

// signedText returns the text that the signature of r must cover. It checks the date.
func (s *Server) signedText(r *http.Request, names []string) (string, error) {
	dated := ""
	lines := make([]string, len(names))
	for i, name := range names {
		switch {
		case name == "(request-target)":
			lines[i] = name + ": " + strings.ToLower(r.Method) + " " + r.RequestURI
			continue
		case name == "host":
			lines[i] = "host: " + r.Host
			continue
		case header(r, name) == "":
			return "", invalidHeader("%s was not in the request", name)
		case name == "date" || name == "x-date":
			dated = name
		}
		lines[i] = name + ": " + header(r, name)
	}
	if dated == "" {
		return "", invalidHeader("date is not signed")
	}
	date, ok := headerDate(r, dated)
	if !ok {
		return "", invalidHeader("%s is not a date", dated)
	}
	if skew := s.clock().Sub(date); skew.Abs() > maxSkew {
		return "", invalidHeader("clock skew of %ds was greater than %ds", int(skew.Abs().Seconds()), int(maxSkew.Seconds()))
	}
	return strings.Join(lines, "\n"), nil
}

// hashOf returns the hash in the second half of the algorithm's name, or 0.
func hashOf(name string) crypto.Hash {
	switch name {
	case "sha1":
		return crypto.SHA1
	case "sha256":
		return crypto.SHA256
	case "sha512":
		return crypto.SHA512
	}
	return 0
}

// verify reports whether sig is a valid signature of text by key.
func verify(key ssh.PublicKey, algorithm string, text, sig []byte) bool {
	ck, ok := key.(ssh.CryptoPublicKey)
	kind, hashName, _ := strings.Cut(algorithm, "-")
	hash := hashOf(hashName)
	if !ok || hash == 0 {
		return false
	}
	h := hash.New()
	h.Write(text)
	sum := h.Sum(nil)
	switch k := ck.CryptoPublicKey().(type) {
	case *rsa.PublicKey:
		return kind == "rsa" && rsa.VerifyPKCS1v15(k, hash, sum, sig) == nil
	case *ecdsa.PublicKey:
		return kind == "ecdsa" && hash != crypto.SHA1 && ecdsa.VerifyASN1(k, sum, sig)
	case ed25519.PublicKey:
		return algorithm == "ed25519-sha512" && ed25519.Verify(k, text, sig)
	}
	return false
}

// authorize checks that who is allowed to do what r requests to p.
func (s *Server) authorize(who caller, r *http.Request, p path) error {
	reading := slices.Contains([]string{http.MethodGet, http.MethodHead}, r.Method)
	if s.keys.open() || p.public() && reading || !who.anonymous && s.keys.allows(who.who, p[0]) {
		return nil
	}
	if !who.anonymous && reading && len(p) > 2 {
		if rec, err := s.tree.lookup(p); err == nil && rec == nil {
			return notFound(p) // anybody may learn that an object is absent
		}
	}
	name := who.who
	if who.anonymous {
		name = "anonymous"
	}
	return apiErrorf(http.StatusForbidden, "AuthorizationFailed", "%s is not allowed to access %s", name, p)
}
