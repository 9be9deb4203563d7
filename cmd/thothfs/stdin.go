package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"thothfs/cmd/thothfs/output"

	"golang.org/x/term"
)

// readStdin reads all of standard input, at most limit bytes. what is a noun phrase for
// messages. On a terminal it says how to end the input. Empty input is the error
// errNoInput, since an argument was probably forgotten.
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

// say prints a message for the user.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.stderr, "thothfs: %s\n", output.Printable(fmt.Sprintf(format, args...)))
}

// confirm asks a question on the terminal, and reports whether the answer is yes.
func (a *app) confirm(ctx context.Context, question string) bool {
	a.say("%s [y/N]", question)
	answer, err := orInterrupted(ctx, func() (string, error) { return bufio.NewReader(a.stdin).ReadString('\n') })
	answer = strings.ToLower(strings.TrimSpace(answer))
	return err == nil && (answer == "y" || answer == "yes")
}

// announceStdin says on a terminal that the program waits for input.
func (a *app) announceStdin(what string) {
	if a.stdinIsTerminal() {
		a.say("reading %s from the terminal; end it with Ctrl-D on a line of its own, or press Ctrl-C to cancel", what)
	}
}

func (a *app) stdinIsTerminal() bool {
	in, ok := a.stdin.(*os.File)
	return ok && term.IsTerminal(int(in.Fd()))
}
