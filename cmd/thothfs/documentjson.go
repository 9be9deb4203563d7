package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"strings"
	"thothfs/dump/document"
)

// printJSON is what analyzers use of npm's json(1) where that is not installed:
//
//	json [-f FILE] [KEY...]   the values at the keys, or the document, as json prints them
//	json --deep-merge         the documents on standard input as one
//
// Numbers keep the form in which they are written.
func (a *app) printJSON(ctx context.Context, args []string) error {
	var file string
	var keys []string
	merge := false
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "-f" && i+1 < len(args):
			i++
			file = args[i]
		case arg == "--deep-merge":
			merge = true
		case strings.HasPrefix(arg, "-"):
			return fmt.Errorf("json: %s needs the json of npm: npm install -g json", arg)
		default:
			keys = append(keys, arg)
		}
	}
	raw, err := a.jsonInput(ctx, file)
	if err != nil {
		return fmt.Errorf("json: %w", err)
	}
	if merge {
		if raw, err = deepMerge(raw); err != nil {
			return err
		}
	}
	doc := document.Parse(raw)
	if !doc.IsJSON() {
		return fmt.Errorf("json: input is not a JSON object: %s", doc.Damage())
	}
	return writeJSON(a.stdout, doc, keys)
}

func (a *app) jsonInput(ctx context.Context, file string) ([]byte, error) {
	if file != "" {
		return os.ReadFile(file)
	}
	return a.readStdin(ctx, "JSON", 2*document.MaxSize)
}

// writeJSON prints what is at keys, one after the other; what is not there prints nothing.
func writeJSON(w io.Writer, doc *document.Document, keys []string) error {
	if len(keys) == 0 {
		return writeIndented(w, doc.Value())
	}
	for _, key := range keys {
		v, _ := doc.Get(dottedPath(key))
		if err := writeIndented(w, v); err != nil {
			return err
		}
	}
	return nil
}

func writeIndented(w io.Writer, v document.Value) error {
	text := v.Text()
	if v.Kind() == document.KindObject || v.Kind() == document.KindArray {
		var b bytes.Buffer
		if err := json.Indent(&b, v.JSON(), "", "  "); err != nil {
			return err
		}
		text = b.String()
	}
	if text == "" {
		return nil
	}
	_, err := io.WriteString(w, text+"\n")
	return err
}

var jsonBrackets = regexp.MustCompile(`\[(?:(\d+)|'([^']*)'|"([^"]*)")\]`)

// dottedPath makes stack.0 of stack[0], and a.b of a["b"].
func dottedPath(key string) string {
	return strings.TrimPrefix(jsonBrackets.ReplaceAllString(key, ".$1$2$3"), ".")
}

// deepMerge joins the objects that follow each other in raw: objects within them are
// joined, of all else the last counts.
func deepMerge(raw []byte) ([]byte, error) {
	merged := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	for {
		var next map[string]any
		err := d.Decode(&next)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("json: input is not JSON: %w", err)
		}
		mergeInto(merged, next)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(merged)
	return b.Bytes(), err
}

func mergeInto(to, from map[string]any) {
	for key, value := range from {
		old, isObject := to[key].(map[string]any)
		add, both := value.(map[string]any)
		if isObject && both {
			mergeInto(old, add)
			delete(from, key)
		}
	}
	maps.Copy(to, from)
}
