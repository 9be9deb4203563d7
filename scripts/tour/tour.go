package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// step is a command of the tour and what it prints.
type step struct{ command, output string }

const (
	heading = "## A tour\n"
	indent  = "    "
	prompt  = indent + "$ "
)

// parse returns the steps in the section of the tour.
func parse(readme string) ([]step, error) {
	_, section, found := strings.Cut(readme, heading)
	if !found {
		return nil, fmt.Errorf("README.md has no section %q", strings.TrimSpace(heading))
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var steps []step
	for line := range strings.Lines(section) {
		switch command, isCommand := strings.CutPrefix(line, prompt); {
		case isCommand:
			steps = append(steps, step{command: strings.TrimSpace(command)})
		case strings.HasPrefix(line, indent) && len(steps) > 0:
			steps[len(steps)-1].output += strings.TrimPrefix(line, indent)
		}
	}
	if len(steps) == 0 {
		return nil, errors.New("the tour in README.md has no commands")
	}
	return steps, nil
}

// mark separates the output of one command from that of the next.
const mark = "\x01end "

// run runs the steps in the directory root, with home as the home directory and for temporary files.
func run(ctx context.Context, steps []step, root, home string) error {
	script := "trap 'thothfs umount mnt >/dev/null 2>&1' EXIT\n"
	for _, s := range steps {
		script += s.command + "\nprintf '\\n" + mark + "%d\\n' $?\n"
	}
	file := filepath.Join(home, "tour.sh")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "bash", "--norc", file)
	cmd.Dir = root
	cmd.Env = []string{"HOME=" + home, "TMPDIR=" + home, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC"}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil && ctx.Err() != nil { // otherwise the status of the last command
		return err
	}
	var failed error
	rest := out.String()
	for _, s := range steps {
		printed, after, _ := strings.Cut(rest, mark)
		status, after, _ := strings.Cut(after, "\n")
		if err := s.check(printed, status); err != nil {
			failed = errors.Join(failed, err)
		}
		rest = after
	}
	return failed
}

// check compares what a command printed, and its exit status, with the step.
func (s *step) check(printed, status string) error {
	pattern := regexp.QuoteMeta(shape(s.output))
	pattern = "(?s)^" + strings.ReplaceAll(strings.ReplaceAll(pattern, " … ", "(?: .*)? "), "…", ".*") + "$"
	switch matches, err := regexp.MatchString(pattern, shape(printed)); {
	case err != nil:
		return err
	case status != "0":
		return fmt.Errorf("%s: exit status %q\n%s", s.command, status, printed)
	case !matches:
		return fmt.Errorf("%s: README.md has\n%s\nand it printed\n%s\nOnly this is compared:\n  %s\n  %s", s.command, s.output, printed, shape(s.output), shape(printed))
	}
	return nil
}

// shapes replaces what differs from one machine to another by its kind.
var shapes = []struct {
	pattern *regexp.Regexp
	kind    string
}{
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\dZ?`), "TIME"},
	{regexp.MustCompile(`\b[0-9a-f]{12,40}\b`), "HASH"},
	{regexp.MustCompile(`\b0x[0-9a-f]+\b`), "ADDRESS"},
	{regexp.MustCompile(`\b[0-9a-f]{11}-[0-9a-f]{8}\b`), "EDIT"},
	{regexp.MustCompile(`\b\d[\d,.]*(?: ?[KMG]i?B?)?\b`), "N"},
	{regexp.MustCompile(`(^|[\s"(=])(?:/|…)[^\s"]*/`), "$1/"}, // the directory of an absolute path, or of one that is cut
	{regexp.MustCompile(`\S+@\S+`), "WHO"},
	{regexp.MustCompile(`\s+`), " "}, // columns, and ls on a terminal and in a pipe
}

func shape(text string) string {
	for _, s := range shapes {
		text = s.pattern.ReplaceAllString(text, s.kind)
	}
	return strings.TrimSpace(text)
}
