package mantatest

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// apiError is an error in the format of a Manta error response.
type apiError struct {
	status  int
	Code    string            `json:"code"`
	Message string            `json:"message"`
	header  map[string]string // additional headers
	close   bool              // close the connection after the response
}

func (e *apiError) Error() string { return e.Code + ": " + e.Message }

// with adds a header to the response.
func (e *apiError) with(name, value string) *apiError {
	if e.header == nil {
		e.header = map[string]string{}
	}
	e.header[name] = value
	return e
}

func apiErrorf(status int, code, format string, args ...any) *apiError {
	return &apiError{status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func notFound(p path) *apiError {
	return apiErrorf(http.StatusNotFound, "ResourceNotFound", "%s was not found", p.escaped())
}

// errNotModified is the 304 Not Modified response.
var errNotModified = errors.New("not modified")

// sendError responds with err. body is false for HEAD, whose errors have no body.
func sendError(w http.ResponseWriter, body bool, err error) {
	if errors.Is(err, errNotModified) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	var e *apiError
	if !errors.As(err, &e) {
		e = apiErrorf(http.StatusInternalServerError, "InternalError", "%v", err)
	}
	h := w.Header()
	for _, name := range []string{"Content-Type", "Content-MD5", "Content-Length", "Accept-Ranges"} {
		h.Del(name)
	}
	for name, value := range e.header {
		h.Set(name, value)
	}
	if e.close {
		h.Set("Connection", "close")
	}
	if !body {
		w.WriteHeader(e.status)
		return
	}
	text, _ := json.Marshal(e)
	sum := md5.Sum(text)
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h.Set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
	w.WriteHeader(e.status)
	_, _ = w.Write(text)
}
