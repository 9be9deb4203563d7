package signature

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

// maxSkip is the maximum size of a list of functions in bytes.
const maxSkip = 256 << 10

// Skip is a list of functions that say nothing about a bug.
type Skip struct {
	lines []skipLine
	sum   string
	known map[string]skipVerdict // keyed by module and function
}

type skipLine struct {
	cause            string // "" if there is none
	module, function *regexp.Regexp
}

// skipVerdict is what a list says about a function.
type skipVerdict struct {
	skipped bool
	cause   string
	line    int // index in the list; the first match is the strongest
}

// ParseSkip parses a list. A line is CAUSE and PATTERN separated by blanks, or a comment that
// begins with #. PATTERN is a regular expression (RE2) for a function, or MODULE`FUNCTION with
// an expression for each. It must match the whole name; without FUNCTION it matches all
// functions of the module. CAUSE is - for no cause, or a word that becomes part of the
// signature. The first line that matches a function decides.
//
// The list is not safe for concurrent use.
func ParseSkip(text []byte) (*Skip, error) {
	if len(text) > maxSkip {
		return nil, fmt.Errorf("the list of functions has more than %d bytes", maxSkip)
	}
	sum := sha256.Sum256(text)
	s := &Skip{sum: hex.EncodeToString(sum[:4]), known: map[string]skipVerdict{}}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxSkip+1)
	for n := 1; lines.Scan(); n++ {
		line, err := parseSkipLine(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("line %d of the list of functions: %w", n, err)
		}
		if line.function != nil {
			s.lines = append(s.lines, line)
		}
	}
	return s, lines.Err()
}

func parseSkipLine(text string) (line skipLine, err error) {
	fields := strings.Fields(text)
	if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
		return line, nil
	}
	if len(fields) != 2 {
		return line, fmt.Errorf("%q is not CAUSE PATTERN", text)
	}
	if line.cause = fields[0]; line.cause == "-" {
		line.cause = ""
	}
	module, function, ok := strings.Cut(fields[1], "`")
	if !ok {
		module, function = "", fields[1]
	} else if line.module, err = regexp.Compile("^(?:" + module + ")$"); err != nil {
		return line, err
	}
	if function == "" {
		function = ".*"
	}
	line.function, err = regexp.Compile("^(?:" + function + ")$")
	return line, err
}

// of returns the list's verdict on a frame.
func (s *Skip) of(f frame) skipVerdict {
	key := f.key()
	v, ok := s.known[key]
	if ok {
		return v
	}
	for i, l := range s.lines {
		if l.module == nil && f.function == "" || l.module != nil && !l.module.MatchString(f.module) {
			continue
		}
		if l.function.MatchString(f.function) {
			v = skipVerdict{true, l.cause, i}
			break
		}
	}
	s.known[key] = v
	return v
}
