package mantatest

import (
	"crypto/md5"
	"encoding/base64"
	"maps"
	"mime"
	"net/http"
	pathpkg "path"
	"slices"
	"strconv"
	"strings"
)

const (
	octetStream       = "application/octet-stream"
	listingType       = "application/x-json-stream; type=directory"
	defaultDurability = 2
	maxDurability     = 6    // from the template for production
	maxHeaderBytes    = 4096 // total of all m- values
)

// stored lists the headers, besides m-*, that are stored with an object.
var stored = []string{
	"cache-control", "surrogate-key", "access-control-allow-origin", "access-control-allow-methods",
	"access-control-allow-headers", "access-control-expose-headers", "access-control-max-age",
}

// userHeaders returns the headers of r that are stored: those in stored, and m-* up to a total of
// 4096 bytes. The m-* header that exceeds the limit and all later ones are dropped.
func userHeaders(r *http.Request, p path) map[string]string {
	kept := map[string]string{}
	total, full := 0, false
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		lower := strings.ToLower(name)
		if !strings.HasPrefix(lower, "m-") || full {
			continue
		}
		value := header(r, name)
		if total += len(value); total >= maxHeaderBytes {
			full = true
			continue
		}
		kept[lower] = value
	}
	for _, name := range stored {
		if v := header(r, name); v != "" {
			kept[name] = v
		}
	}
	if p.public() && kept["access-control-allow-origin"] == "" {
		kept["access-control-allow-origin"] = "*"
	}
	return kept
}

func sameHeaders(a, b map[string]string) bool { return maps.Equal(a, b) }

// contentType returns the type to store for an object. A value that is not in the form x/y is
// treated as a file extension.
func contentType(h string) string {
	if h == "" {
		return octetStream
	}
	if !strings.Contains(h, "/") {
		return typeByExtension("." + strings.TrimPrefix(h, "."))
	}
	return h
}

// typeByExtension returns the type of files with the extension ext. It ignores the system's
// tables so that tests give the same results everywhere.
func typeByExtension(ext string) string {
	switch strings.ToLower(ext) {
	case ".json":
		return "application/json"
	case ".txt", ".log", ".sh":
		return "text/plain"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".png":
		return "image/png"
	case ".html":
		return "text/html"
	case ".js":
		return "application/javascript"
	}
	return octetStream
}

// disposition parses and formats a Content-Disposition header. It removes directories from the
// file name.
func disposition(h string) (string, error) {
	if h == "" {
		return "", nil
	}
	kind, params, err := mime.ParseMediaType(h)
	if err != nil {
		return "", apiErrorf(http.StatusBadRequest, "BadRequest", "Content-Disposition invalid")
	}
	if name, ok := params["filename"]; ok {
		params["filename"] = pathpkg.Base(name)
	}
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	for _, name := range slices.Sorted(maps.Keys(params)) {
		kind += "; " + name + `="` + quote.Replace(params[name]) + `"`
	}
	return kind, nil
}

// durability returns the number of copies that r requests.
func durability(r *http.Request) (int, error) {
	h := r.Header.Get("durability-level")
	if h == "" {
		h = r.Header.Get("x-durability-level")
	}
	if h == "" {
		return defaultDurability, nil
	}
	n, err := strconv.Atoi(h)
	if err != nil || n < 1 || n > maxDurability {
		return 0, apiErrorf(http.StatusBadRequest, "InvalidDurabilityLevel", "durability-level must be between 1 and %d", maxDurability)
	}
	return n, nil
}

// contentMD5 returns the body checksum sent by the client, or nil.
func contentMD5(r *http.Request) ([]byte, error) {
	h := r.Header.Get("Content-MD5")
	if h == "" {
		return nil, nil
	}
	sum, err := base64.StdEncoding.DecodeString(h)
	if err != nil || len(sum) != md5.Size {
		return nil, apiErrorf(http.StatusBadRequest, "BadRequest", "Content-MD5 invalid")
	}
	return sum, nil
}

// isDirectoryType reports whether a PUT with content type h makes a directory (dir) or a snaplink
// (link).
func isDirectoryType(h string) (dir, link bool) {
	kind, params, err := mime.ParseMediaType(h)
	if err != nil || kind != "application/json" {
		return false, false
	}
	return params["type"] == "directory", params["type"] == "link"
}

// acceptable reports whether the Accept header allows the type ctype.
func acceptable(accept, ctype string) bool {
	kind, _, err := mime.ParseMediaType(ctype)
	if err != nil {
		kind = octetStream
	}
	if accept == "" {
		return true
	}
	major, _, _ := strings.Cut(kind, "/")
	for a := range strings.SplitSeq(accept, ",") {
		a, _, _ = strings.Cut(a, ";")
		switch strings.ToLower(strings.TrimSpace(a)) {
		case "*/*", kind, major + "/*":
			return true
		}
	}
	return false
}

// versionAccepted reports whether an Accept-Version header allows 1.0.0.
func versionAccepted(h string) bool {
	h = strings.TrimLeft(strings.TrimSpace(h), "~^>=v ")
	if h == "" || h == "*" {
		return true
	}
	for i, c := range strings.Split(h, ".") {
		if c != "x" && c != "*" && (i > 2 || c != [3]string{"1", "0", "0"}[min(i, 2)]) {
			return false
		}
	}
	return true
}
