package fs

import (
	"errors"
	"log"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"time"

	"thothfs/store"
)

// How often the same words are logged, and how many different ones are remembered.
const (
	wordsEvery = time.Minute
	wordsKept  = 256
)

// words logs why a call failed, since an errno cannot say it. The same message
// is logged once a minute, with the number of times that it was left out.
type words struct {
	log *slog.Logger

	mu   sync.Mutex // guards said
	said map[string]*saying
}

type saying struct {
	at     time.Time // when it was last logged
	unsaid int       // times since
}

func newWords(l *slog.Logger) *words { return &words{log: l, said: map[string]*saying{}} }

// failed logs that op on path answers errno because of err.
func (w *words) failed(op, path string, errno syscall.Errno, err error) {
	unsaid, say := w.due(op+"\x00"+path+"\x00"+message(err), time.Now())
	if !say {
		return
	}
	attrs := []any{"op", op, "path", path, "errno", errno.Error(), "err", err}
	var se *store.Error
	if errors.As(err, &se) && se.RequestID != "" {
		attrs = append(attrs, "request", se.RequestID)
	}
	if unsaid > 0 {
		attrs = append(attrs, "repeated", unsaid)
	}
	w.log.Error("call failed", attrs...)
}

// message is the text of err without what differs from one time to the next.
func message(err error) string {
	var se *store.Error
	if errors.As(err, &se) {
		return se.Op + " " + se.Kind.Error()
	}
	return err.Error()
}

// due tells whether a message is to be logged now, and how often it was not.
func (w *words) due(key string, now time.Time) (unsaid int, say bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.said[key]
	if s != nil && now.Sub(s.at) < wordsEvery {
		s.unsaid++
		return 0, false
	}
	if s == nil {
		if len(w.said) >= wordsKept {
			clear(w.said) // a burst of different failures may repeat itself once
		}
		s = &saying{}
		w.said[key] = s
	}
	unsaid, s.unsaid, s.at = s.unsaid, 0, now
	return unsaid, true
}

// logger is where the FUSE library writes.
func (w *words) logger() *log.Logger { return log.New(libraryLog{w.log}, "", 0) }

type libraryLog struct{ log *slog.Logger }

func (l libraryLog) Write(p []byte) (int, error) {
	l.log.Warn("fuse", "message", strings.TrimSpace(string(p)))
	return len(p), nil
}
