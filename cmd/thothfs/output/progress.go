package output

import (
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// Progress is a progress bar. It shows nothing when standard error is not a terminal.
type Progress struct {
	pool *mpb.Progress
	bar  *mpb.Bar
}

// NewProgress returns a bar on stderr that counts bytes or items. It appears at the first call of
// Set.
func NewProgress(stderr io.Writer, what string, bytes bool) *Progress {
	f, ok := Terminal(stderr)
	if !ok {
		return &Progress{}
	}
	pool := mpb.New(mpb.WithOutput(f), mpb.WithWidth(40), mpb.WithRefreshRate(150*time.Millisecond))
	counter := decor.CountersNoUnit(" %d / %d")
	if bytes {
		counter = decor.CountersKibiByte(" % .1f / % .1f")
	}
	bar := pool.AddBar(0,
		mpb.PrependDecorators(decor.Name("thothfs: "+Printable(what)+" ")),
		mpb.AppendDecorators(decor.Percentage(), counter, decor.OnComplete(decor.Name(""), "")),
		mpb.BarRemoveOnComplete(),
	)
	return &Progress{pool: pool, bar: bar}
}

// Shown reports whether there is a terminal on which to show the bar.
func (p *Progress) Shown() bool { return p.bar != nil }

// Set updates the bar. It can be used as a callback of corpus.Sync.
func (p *Progress) Set(done, total int) { p.SetBytes(int64(done), int64(total)) }

// SetBytes updates the bar. It can be used as a callback of ingest.Upload.
func (p *Progress) SetBytes(done, total int64) {
	if p.bar == nil {
		return
	}
	p.bar.SetTotal(total, false)
	p.bar.SetCurrent(done)
}

// Done removes the bar.
func (p *Progress) Done() {
	if p.bar == nil {
		return
	}
	p.bar.Abort(true)
	p.pool.Wait()
}

// Above returns a writer for text that should appear above the bar. It returns w itself unless both
// are on a terminal.
func (p *Progress) Above(w io.Writer) io.Writer {
	if _, ok := Terminal(w); !ok || p.bar == nil {
		return w
	}
	return aboveBar{p.pool}
}

// aboveBar adds a missing trailing newline, so that the bar does not cover the text.
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

// Terminal returns the file of a stream, and reports whether it is a terminal.
func Terminal(stream any) (*os.File, bool) {
	f, ok := stream.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}
