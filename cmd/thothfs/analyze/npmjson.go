package analyze

import (
	"bytes"
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

// PrintJSON replaces npm's json(1) for analyzers where that is not installed:
//
//	json [-f FILE] [KEY...]   prints the values at the keys, or the whole document
//	json --deep-merge         prints the documents on standard input merged into one
//
// Numbers are printed unchanged. stdin reads standard input.
func PrintJSON(w io.Writer, stdin func() ([]byte, error), args []string) error {
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
	raw, err := []byte(nil), error(nil)
	if file != "" {
		raw, err = os.ReadFile(file)
	} else {
		raw, err = stdin()
	}
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

// dottedPath converts stack[0] to stack.0, and a["b"] to a.b.
func dottedPath(key string) string {
	return strings.TrimPrefix(jsonBrackets.ReplaceAllString(key, ".$1$2$3"), ".")
}

// deepMerge recursively merges the consecutive JSON objects in raw. For other values, the last one
// wins.
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
