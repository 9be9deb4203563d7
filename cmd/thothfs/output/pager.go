package output

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// defaultPager exits at once if the text fits on the screen (F), shows colours (R), and leaves the text
// on the screen (X).
const defaultPager = "less -FRX"

// Pager is a program that shows text page by page. It is an io.Writer.
type Pager struct {
	command string
	cmd     *exec.Cmd
	pipe    io.WriteCloser
	quit    bool // the user has ended the pager, and does not want more
}

// ErrPagerQuit is returned by writes to a pager that the user has ended.
var ErrPagerQuit = errors.New("the pager has ended")

// PagerCommand returns the command of the pager, or "" if there is none: not on a terminal that can do
// nothing but print, and not if PAGER is empty or cat.
func PagerCommand(lookupEnv func(string) (string, bool)) string {
	getenv := func(name string) string { value, _ := lookupEnv(name); return value }
	command, isSet := lookupEnv("PAGER")
	command = strings.TrimSpace(command)
	if isSet || isDumb(getenv) {
		if command == "cat" {
			return ""
		}
		return command
	}
	if _, err := exec.LookPath("less"); err != nil {
		return ""
	}
	return defaultPager
}

// StartPager starts the pager on a terminal. The caller must call Close.
func StartPager(command string, terminal, stderr *os.File) (*Pager, error) {
	p := &Pager{command: command, cmd: exec.Command("sh", "-c", command)}
	p.cmd.Stdout, p.cmd.Stderr = terminal, stderr
	p.cmd.Env = os.Environ()
	for _, kv := range []string{"LESS=FRX", "LV=-c"} { // for a PAGER without options
		name, _, _ := strings.Cut(kv, "=")
		if _, isSet := os.LookupEnv(name); !isSet {
			p.cmd.Env = append(p.cmd.Env, kv)
		}
	}
	var err error
	if p.pipe, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return p, p.cmd.Start()
}

// Write implements io.Writer. After the user has ended the pager it returns ErrPagerQuit.
func (p *Pager) Write(b []byte) (int, error) {
	n, err := p.pipe.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		p.quit, err = true, ErrPagerQuit
	}
	return n, err
}

// Close shows the rest and returns when the user has ended the pager.
func (p *Pager) Close() error {
	p.pipe.Close()
	err := p.cmd.Wait()
	if err == nil || p.cmd.ProcessState.ExitCode() < 126 { // a pager may exit with 1 after a signal
		return nil
	}
	return errors.New("PAGER=" + p.command + " cannot be run (PAGER=cat shows the text without it)")
}
