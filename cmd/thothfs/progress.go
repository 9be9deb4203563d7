package main

import (
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// progress is a bar on the terminal, or nothing when stderr is none.
type progress struct {
	pool *mpb.Progress
	bar  *mpb.Bar
}

// progress starts a bar that counts bytes or things. It shows itself with the
// first call of set.
func (a *app) progress(what string, bytes bool) *progress {
	f, ok := a.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &progress{}
	}
	pool := mpb.New(mpb.WithOutput(f), mpb.WithWidth(40), mpb.WithRefreshRate(150*time.Millisecond))
	counter := decor.CountersNoUnit(" %d / %d")
	if bytes {
		counter = decor.CountersKibiByte(" % .1f / % .1f")
	}
	bar := pool.AddBar(0,
		mpb.PrependDecorators(decor.Name("thothfs: "+printable(what)+" ")),
		mpb.AppendDecorators(decor.Percentage(), counter, decor.OnComplete(decor.Name(""), "")),
		mpb.BarRemoveOnComplete(),
	)
	return &progress{pool: pool, bar: bar}
}

// set is a callback of corpus.Sync.
func (p *progress) set(done, total int) { p.setBytes(int64(done), int64(total)) }

// setBytes is a callback of corpus.Upload.
func (p *progress) setBytes(done, total int64) {
	if p.bar == nil {
		return
	}
	p.bar.SetTotal(total, false)
	p.bar.SetCurrent(done)
}

// done takes the bar away.
func (p *progress) done() {
	if p.bar == nil {
		return
	}
	p.bar.Abort(true)
	p.pool.Wait()
}

// above is where to write what is to appear above the bar: w, unless both are on a
// terminal.
func (p *progress) above(w io.Writer) io.Writer {
	f, ok := w.(*os.File)
	if p.bar == nil || !ok || !term.IsTerminal(int(f.Fd())) {
		return w
	}
	return aboveBar{p.pool}
}

// aboveBar ends what it is given by a newline, lest the bar be drawn over it.
type aboveBar struct{ pool *mpb.Progress }

func (w aboveBar) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	text := b
	if b[len(b)-1] != '\n' {
		text = append(append([]byte{}, b...), '\n')
	}
	if _, err := w.pool.Write(text); err != nil {
		return 0, err
	}
	return len(b), nil
}
