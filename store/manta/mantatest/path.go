package mantatest

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// path is a decoded path: account, root and names. "." and ".." are ordinary names.
type path []string

func (p path) String() string { return "/" + strings.Join(p, "/") }

func (p path) base() string { return p[len(p)-1] }
func (p path) dir() path    { return p[:len(p)-1] }

// isRoot reports whether p is /ACCOUNT/ROOT, which always exists.
func (p path) isRoot() bool { return len(p) == 2 }

func (p path) public() bool { return len(p) >= 2 && p[1] == "public" }

// escaped returns p as it appears in errors about absent objects.
func (p path) escaped() string { return (&url.URL{Path: p.String()}).EscapedPath() }

// rootsOf returns the roots of an account, sorted.
func rootsOf(multipart bool) []string {
	if multipart {
		return []string{"public", "reports", "stor", "uploads"}
	}
	return []string{"public", "reports", "stor"}
}

// parsePath decodes the path of a request. An escaped slash is a separator too. Repeated and
// trailing slashes are ignored.
func (s *Server) parsePath(escaped string) (path, error) {
	decoded, err := url.PathUnescape(escaped)
	if err != nil {
		return nil, apiErrorf(400, "BadRequest", "malformed escape in the path")
	}
	return s.splitPath(decoded)
}

// splitPath splits a decoded path. The result is empty for "/".
func (s *Server) splitPath(decoded string) (path, error) {
	if !utf8.ValidString(decoded) || strings.Contains(decoded, "\x00") {
		return nil, apiErrorf(400, "InvalidResource", "%q is not a valid path", decoded)
	}
	p := path(slices.DeleteFunc(strings.Split(decoded, "/"), func(c string) bool { return c == "" }))
	if len(p) > 1 && !slices.Contains(s.roots, p[1]) {
		return nil, apiErrorf(404, "ResourceNotFound", "%s does not exist", p)
	}
	return p, nil
}
