package mantatest

import (
	"io"
	"net"
	"net/http"
	"time"
)

// answer is a ResponseWriter that applies the faults of its request, and counts.
type answer struct {
	http.ResponseWriter
	s     *Server
	r     *http.Request
	plan  *plan
	began time.Time
	line  sender
	wrote bool  // whether the header was sent
	sent  int64 // body bytes sent so far
	lines int   // writes so far
}

// Unwrap is used by http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	if a.wrote {
		return
	}
	a.wrote = true
	if a.plan.outcomeLost {
		return
	}
	h := a.Header()
	h.Set("X-Response-Time", responseTime(a.began))
	for name, value := range a.plan.header {
		if value == "" {
			h.Del(name)
		} else {
			h.Set(name, value)
		}
	}
	a.ResponseWriter.WriteHeader(status)
	if a.plan.cutAt == 0 {
		a.cut()
	}
	if a.plan.stallAt == 0 {
		a.stall()
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.plan.outcomeLost || a.plan.lines >= 0 && a.lines >= a.plan.lines {
		return len(p), nil
	}
	a.lines++
	done := 0
	for done < len(p) {
		n, err := a.writeSome(p[done:])
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// writeSome writes up to the next offset at which a fault applies.
func (a *answer) writeSome(p []byte) (int, error) {
	pl := a.plan
	p = p[:min(len(p), 32<<10)]
	for _, at := range []int64{pl.cutAt, pl.stallAt, pl.garbleAt} {
		if at > a.sent {
			p = p[:min(int64(len(p)), at-a.sent)]
		}
	}
	if pl.garbleAt >= 0 && a.sent >= pl.garbleAt {
		p = invert(p)
	}
	if err := a.line.wait(a.r.Context(), len(p)); err != nil {
		return 0, err
	}
	n, err := a.ResponseWriter.Write(p)
	a.count(int64(n))
	if a.sent == pl.cutAt {
		a.cut()
	}
	if a.sent == pl.stallAt {
		a.stall()
	}
	return n, err
}

// countEvery is the number of bytes sent by the kernel after which the counters are updated, so
// that they are current during a long response.
const countEvery = 1 << 20

// ReadFrom lets the kernel send a file unless a fault applies to its body.
func (a *answer) ReadFrom(src io.Reader) (int64, error) {
	rf, ok := a.ResponseWriter.(io.ReaderFrom)
	part, limited := src.(*io.LimitedReader)
	if !ok || !limited || !a.plan.plainBody() || a.plan.outcomeLost || a.s.down.rate.Load() > 0 {
		return io.Copy(struct{ io.Writer }{a}, src)
	}
	a.WriteHeader(http.StatusOK)
	var done int64
	for part.N > 0 {
		n, err := rf.ReadFrom(&io.LimitedReader{R: part.R, N: min(part.N, countEvery)})
		a.count(n)
		part.N -= n
		done += n
		if err != nil || n == 0 {
			return done, err
		}
	}
	return done, nil
}

func (a *answer) count(n int64) {
	a.sent += n
	a.s.counts.sent(n)
}

// cut flushes the response and closes the connection.
func (a *answer) cut() {
	_ = http.NewResponseController(a.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// stall flushes the response and waits to be released.
func (a *answer) stall() {
	_ = http.NewResponseController(a.ResponseWriter).Flush()
	select {
	case <-a.plan.release:
	case <-a.r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}

func invert(p []byte) []byte {
	q := make([]byte, len(p))
	for i, b := range p {
		q[i] = ^b
	}
	return q
}

// hangUp closes the connection without a response, with a TCP reset if reset is set.
func hangUp(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
	panic(http.ErrAbortHandler)
}
