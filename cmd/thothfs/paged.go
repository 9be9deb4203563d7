package main

import (
	"errors"
	"io"
	"os"

	"thothfs/cmd/thothfs/output"
)

// screenWriter is standard output, or a pager in front of it, and what is known of the terminal.
type screenWriter struct {
	io.Writer
	output.Screen
}

// paged calls print with standard output, which is shown by a pager if it is a terminal and usePager is
// set. It returns when the user has ended the pager.
func (cl *cli) paged(usePager bool, print func(out screenWriter) error) error {
	out := screenWriter{cl.stdout, output.ScreenOf(cl.stdout, cl.getenv)}
	terminal, isTerminal := output.Terminal(cl.stdout)
	command := output.PagerCommand(os.LookupEnv)
	if !usePager || !isTerminal || command == "" {
		return print(out)
	}
	errs, ok := cl.stderr.(*os.File)
	if !ok {
		errs = terminal
	}
	pager, err := output.StartPager(command, terminal, errs)
	if err != nil {
		return err
	}
	out.Writer = pager
	err = print(out)
	closed := pager.Close()
	if errors.Is(err, output.ErrPagerQuit) {
		err = nil
	}
	if closed != nil {
		return closed
	}
	return err
}
