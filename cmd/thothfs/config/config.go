// Package config reads the configuration file: values of flags, in TOML.
//
//	store = "manta:"
//	cache-size = "20GiB"
//
//	[mount]
//	complete = "always"
//
// Keys before the first table are global flags; a table is a verb, whose keys are flags of that verb or
// global ones.
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"golang.org/x/sys/unix"
)

// maxSize is the maximum size of a configuration file in bytes.
const maxSize = 1 << 20

// Setting is the value that a line of the file gives to a flag.
type Setting struct {
	Verb   string   // "" for all verbs; "cache clean" for the verb clean of cache
	Flag   string   // without dashes
	Values []string // several if the value is an array
	Line   int      // counted from 1
}

// File is a configuration file.
type File struct {
	Path string
	// Settings are in the order of the file. Without a file there are none.
	Settings []Setting
	// WorldWritable is set if every user of the machine may change the file.
	WorldWritable bool
}

// Read reads the file at path, which need not exist. Its errors name the path, and the line if there is one.
func Read(path string) (*File, error) {
	file := &File{Path: path}
	// Opening a FIFO must not block.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return file, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !fi.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case fi.Size() > maxSize:
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxSize)
	}
	file.WorldWritable = fi.Mode().Perm()&0o002 != 0
	text, err := io.ReadAll(io.LimitReader(f, maxSize))
	if err != nil {
		return nil, err
	}
	file.Settings, err = Parse(text)
	if e := (*Error)(nil); errors.As(err, &e) {
		return nil, fmt.Errorf("%s:%d: %w", path, e.Line, e.Err)
	}
	return file, err
}

// Error is an error in a line of a configuration file.
type Error struct {
	Line int
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// Parse returns the settings in the text of a file. Every error is an *Error.
func Parse(text []byte) (settings []Setting, err error) {
	var all map[string]any // finds what is not TOML, and keys that are given twice
	if err := toml.Unmarshal(text, &all); err != nil {
		e := &Error{Line: 1, Err: errors.New(strings.TrimPrefix(err.Error(), "toml: "))}
		if d := (*toml.DecodeError)(nil); errors.As(err, &d) {
			e.Line, _ = d.Position()
		}
		return nil, e
	}
	p := unstable.Parser{}
	p.Reset(text)
	verb := ""
	for p.NextExpression() {
		e := p.Expression()
		keys, line := keyOf(&p, e)
		switch e.Kind {
		case unstable.Table:
			verb = strings.Join(keys, " ")
			continue
		case unstable.KeyValue:
		default:
			return nil, &Error{line, errors.New("expected [VERB] or FLAG = VALUE")}
		}
		if len(keys) != 1 {
			return nil, &Error{line, fmt.Errorf("%q: expected the name of a flag; the flags of a verb are in a table [VERB]", strings.Join(keys, "."))}
		}
		values, err := valuesOf(e.Value())
		if err != nil {
			return nil, &Error{line, fmt.Errorf("%s: %w", keys[0], err)}
		}
		settings = append(settings, Setting{Verb: verb, Flag: keys[0], Values: values, Line: line})
	}
	if err := p.Error(); err != nil {
		return nil, &Error{1, err}
	}
	return settings, nil
}

// keyOf returns the parts of the key of an expression and its line.
func keyOf(p *unstable.Parser, e *unstable.Node) (keys []string, line int) {
	for key := e.Key(); key.Next(); {
		if line == 0 {
			line = p.Shape(key.Node().Raw).Start.Line
		}
		keys = append(keys, string(key.Node().Data))
	}
	return keys, line
}

// valuesOf returns a value as the texts that a flag would be set to.
func valuesOf(v *unstable.Node) (values []string, err error) {
	switch v.Kind {
	case unstable.String, unstable.Integer, unstable.Float, unstable.Bool:
		return []string{string(v.Data)}, nil
	case unstable.Array:
		for c := v.Children(); c.Next(); {
			one, err := valuesOf(c.Node())
			if err != nil || c.Node().Kind == unstable.Array {
				return nil, errValue
			}
			values = append(values, one...)
		}
		return values, nil
	}
	return nil, errValue
}

var errValue = errors.New("expected a string, a number, true, false or an array of them")
