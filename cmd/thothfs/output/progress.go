package output

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// Progress is a progress bar with the rate and the time that is left. It shows nothing when standard
// error is not a terminal.
type Progress struct {
	pool *mpb.Progress
	bar  *mpb.Bar

	mu    sync.Mutex // guards pace
	pace  pace
	bytes bool
}

// pace measures how fast a count grows.
type pace struct {
	from  int64 // the count at began; what was done before, as by an interrupted run, is not our pace
	began time.Time
}

// set records a count. It starts over when the count does.
func (p *pace) set(done int64, now time.Time) {
	if p.began.IsZero() || done < p.from {
		p.from, p.began = done, now
	}
}

// settle is how long the rate is measured before it is shown.
const settle = time.Second

// text returns the rate, if count is of bytes, and the time left, or "" if it is too early to tell.
func (p *pace) text(done, total int64, bytes bool, now time.Time) string {
	took := now.Sub(p.began)
	if p.began.IsZero() || took < settle || done <= p.from {
		return ""
	}
	rate := float64(done-p.from) / took.Seconds()
	text := ""
	if bytes {
		text = fmt.Sprintf(" % .1f/s", decor.SizeB1024(int64(rate)))
	}
	left := time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second)
	if left >= 0 && left < 100*time.Hour {
		text += " " + clock(left) + " left"
	}
	return text
}

// clock returns a duration as 1:02:03 or 2:03.
func clock(d time.Duration) string {
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	if h > 0 {
		return fmt.Sprintf("%d:%02d:%02d", h, m, s)
	}
	return fmt.Sprintf("%d:%02d", m, s)
}

// The parts of a line, so that it fits into 80 columns.
const (
	barWidth      = 12
	maxName       = 32 // of a bar that counts items
	maxNameOfRate = 16 // of a bar that counts bytes, which has a rate as well
)

// NewProgress returns a bar on stderr that counts bytes or items. It appears at the first call of
// Set.
func NewProgress(stderr io.Writer, what string, bytes bool) *Progress {
	f, ok := Terminal(stderr)
	if !ok {
		return &Progress{}
	}
	pool := mpb.New(mpb.WithOutput(f), mpb.WithRefreshRate(150*time.Millisecond))
	counter, width := decor.CountersNoUnit(" %d / %d"), maxName
	if bytes {
		width = maxNameOfRate
		counter = decor.CountersKibiByte(" % .1f / % .1f")
	}
	p := &Progress{pool: pool, bytes: bytes}
	p.bar = pool.AddBar(0,
		mpb.PrependDecorators(decor.Name("thothfs: "+Shorten(Printable(what), width)+" ")),
		mpb.AppendDecorators(decor.Percentage(), counter, decor.Any(p.paceText)),
		mpb.BarRemoveOnComplete(), mpb.BarWidth(barWidth),
	)
	return p
}

func (p *Progress) paceText(s decor.Statistics) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pace.text(s.Current, s.Total, p.bytes, time.Now())
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
	p.mu.Lock()
	p.pace.set(done, time.Now())
	p.mu.Unlock()
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
