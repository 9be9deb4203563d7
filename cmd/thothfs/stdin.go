package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// readStdin reads standard input to its end: at most limit bytes of what, a noun phrase
// for messages. On a terminal it says that it is reading, and how to end the input. An
// input that is empty is an error: it is more likely a forgotten argument.
func (a *app) readStdin(ctx context.Context, what string, limit int) ([]byte, error) {
	a.announceStdin(what)
	text, err := orInterrupted(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(a.stdin, int64(limit)+1)) })
	switch {
	case err != nil:
		return nil, err
	case len(text) > limit:
		return nil, fmt.Errorf("%s on standard input has more than %d bytes", what, limit)
	case len(text) == 0:
		return nil, errNoInput
	}
	return text, nil
}

var errNoInput = errors.New("standard input is empty")

// announceStdin tells somebody at a terminal that the program waits for input.
func (a *app) announceStdin(what string) {
	if a.stdinIsTerminal() {
		a.say("reading %s from the terminal; end it with Ctrl-D on a line of its own, or press Ctrl-C to cancel", what)
	}
}

func (a *app) stdinIsTerminal() bool {
	in, ok := a.stdin.(*os.File)
	return ok && term.IsTerminal(int(in.Fd()))
}
