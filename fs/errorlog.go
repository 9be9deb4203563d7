package fs

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"thothfs/store"
)

const (
	errorLogInterval = time.Minute // minimum time between two logs of the same message
	maxErrorMessages = 256         // maximum number of messages remembered
)

// errorLog logs why calls failed, since the caller only gets an errno. The same message is logged
// at most once a minute, with the number of times it was suppressed.
type errorLog struct {
	log *slog.Logger

	mu       sync.Mutex // guards messages
	messages map[string]*loggedMessage
}

type loggedMessage struct {
	at         time.Time // when it was last logged
	suppressed int       // number of times since then
}

func newErrorLog(l *slog.Logger) *errorLog {
	return &errorLog{log: l, messages: map[string]*loggedMessage{}}
}

// failed logs that op on path failed with err. answer describes the error that the caller gets.
func (l *errorLog) failed(op, path, answer string, err error) {
	suppressed, due := l.due(op+"\x00"+path+"\x00"+message(err), time.Now())
	if !due {
		return
	}
	attrs := []any{"op", op, "path", path, "errno", answer, "err", err}
	var se *store.Error
	if errors.As(err, &se) && se.RequestID != "" {
		attrs = append(attrs, "request", se.RequestID)
	}
	if suppressed > 0 {
		attrs = append(attrs, "repeated", suppressed)
	}
	l.log.Error("call failed", attrs...)
}

// message returns the text of err without the parts that vary between occurrences.
func message(err error) string {
	var se *store.Error
	if errors.As(err, &se) {
		return se.Op + " " + se.Kind.Error()
	}
	return err.Error()
}

// due reports whether a message should be logged now, and how often it was suppressed since it was
// last logged.
func (l *errorLog) due(key string, now time.Time) (suppressed int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.messages[key]
	if m != nil && now.Sub(m.at) < errorLogInterval {
		m.suppressed++
		return 0, false
	}
	if m == nil {
		if len(l.messages) >= maxErrorMessages {
			clear(l.messages) // after a burst of different failures, messages may be logged again early
		}
		m = &loggedMessage{}
		l.messages[key] = m
	}
	suppressed, m.at, m.suppressed = m.suppressed, now, 0
	return suppressed, true
}
