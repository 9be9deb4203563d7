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
	"thothfs/dump/document"

	"golang.org/x/term"
)

// readStdin reads all of standard input, at most limit bytes. what is a noun phrase for
// messages. On a terminal it says how to end the input. Empty input is the error
// errNoInput, since an argument was probably forgotten.
func (cl *cli) readStdin(ctx context.Context, what string, limit int) ([]byte, error) {
	cl.announceStdin(what)
	text, err := orInterrupted(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(cl.stdin, int64(limit)+1)) })
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
func (cl *cli) say(format string, args ...any) {
	fmt.Fprintf(cl.stderr, "thothfs: %s\n", output.Printable(fmt.Sprintf(format, args...)))
}

// confirm asks a question on the terminal, and reports whether the answer is yes.
func (cl *cli) confirm(ctx context.Context, question string) bool {
	cl.say("%s [y/N]", question)
	answer, err := orInterrupted(ctx, func() (string, error) { return bufio.NewReader(cl.stdin).ReadString('\n') })
	answer = strings.ToLower(strings.TrimSpace(answer))
	return err == nil && (answer == "y" || answer == "yes")
}

// announceStdin says on a terminal that the program waits for input.
func (cl *cli) announceStdin(what string) {
	if cl.stdinIsTerminal() {
		cl.say("reading %s from the terminal; end it with Ctrl-D on a line of its own, or press Ctrl-C to cancel", what)
	}
}

func (cl *cli) stdinIsTerminal() bool {
	in, ok := cl.stdin.(*os.File)
	return ok && term.IsTerminal(int(in.Fd()))
}

// readValue reads a value from standard input, without the newline at its end.
func (cl *cli) readValue(ctx context.Context, what string) (string, error) {
	text, err := cl.readStdin(ctx, what, document.MaxSize)
	return strings.TrimSuffix(string(text), "\n"), err
}
