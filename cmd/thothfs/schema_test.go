package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/spf13/cobra"
)

// jsonOutput says how to make a verb print JSON: a schema in docs/schema, and the arguments of each
// run.
type jsonOutput struct {
	schema string
	runs   [][]string
	lines  bool // one value a line
	exit   int
}

// jsonOutputs has all verbs that print JSON, by their names without the program's.
func jsonOutputs(w *world) map[string][]jsonOutput {
	file := filepath.Join(w.dir, "export.jsonl")
	return map[string][]jsonOutput{
		"info":      {{schema: "info.json", runs: [][]string{{hash(1)}, {"id=*"}, {"cmd=none"}}}},
		"ls":        {{schema: "ls.json", runs: [][]string{{"--json"}, {"--json", "cmd=none"}, {"--json", "limit=1", "psargs"}, {"-o", "json", "--sort", "cmd", "-r", "-n", "2"}}}},
		"report":    {{schema: "report.json", runs: [][]string{{}, {"cmd"}, {"ticket"}, {"cmd", "ticket", "-o", "json"}, {"--by", "day"}, {"--by", "week", "cmd", "-o", "json"}}}},
		"history":   {{schema: "history.json", runs: [][]string{{"--json"}, {"--json", "cmd=none"}}}},
		"trash ls":  {{schema: "trash-ls.json", runs: [][]string{{"--json"}}}},
		"check":     {{schema: "check.json", runs: [][]string{{"--json"}}, exit: exitFailure}, {schema: "check.json", runs: [][]string{{"--json", hash(1)}}}},
		"status":    {{schema: "status.json", runs: [][]string{{"-o", "json"}, {"-o", "json", "--store", "/nonexistent"}}}},
		"cache du":  {{schema: "cache-du.json", runs: [][]string{{"-o", "json"}}}},
		"config":    {{schema: "config.json", runs: [][]string{{"-o", "json"}}}},
		"analyzers": {{schema: "analyzers.json", runs: [][]string{{"-o", "json"}}}},
		"index":     {{schema: "index-export.json", runs: [][]string{{"--export", file}}, lines: true}},
	}
}

// TestJSONMatchesItsSchema runs every verb that prints JSON on a corpus with dumps, edits and a
// trash, and validates the output.
func TestJSONMatchesItsSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.schemaCorpus()
	outputs := jsonOutputs(w)
	for _, verb := range verbsWithJSON(rootCommand(&cli{getenv: func(string) string { return "" }})) {
		if outputs[verb] == nil {
			t.Errorf("thothfs %s prints JSON: describe it in docs/schema, and run it here", verb)
		}
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	for _, verb := range slices.Sorted(maps.Keys(outputs)) {
		for _, o := range outputs[verb] {
			schema, err := compiler.Compile(filepath.Join("../../docs/schema", o.schema))
			if err != nil {
				t.Fatal(err)
			}
			for _, args := range o.runs {
				args = append(strings.Fields(verb), args...)
				r := w.try(args...)
				if r.code != o.exit {
					t.Errorf("thothfs %s: exit %d: %s", strings.Join(args, " "), r.code, r.stderr)
				}
				text := r.stdout
				if data, err := os.ReadFile(args[len(args)-1]); err == nil { // an export
					text = string(data)
				}
				o.validate(t, schema, strings.Join(args, " "), text)
			}
		}
	}
}

func (o *jsonOutput) validate(t *testing.T, schema *jsonschema.Schema, what, text string) {
	values := []string{text}
	if o.lines {
		values = strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	}
	for _, v := range values {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(v))
		if err == nil {
			err = schema.Validate(value)
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", what, err, v)
		}
	}
}

// schemaCorpus makes a corpus with documents of the original and of this program, a damaged one, a
// history of several kinds of edits, and a dump in the trash.
func (w *world) schemaCorpus() {
	w.dump(1, "svc.startd", "one")
	w.dump(2, "node", "two")
	w.dump(3, "node", "three")
	w.put(hash(4)+"/info.json", `{"cmd":`)
	core, err := filepath.Abs("../../dump/testdata/cores/lldb-linux-x86_64.core")
	if err != nil {
		w.t.Fatal(err)
	}
	w.must("upload", "--no-stack", "--ticket", "OS-1", "--set", "a=5", core)
	w.must("set", "cmd=node", "triage", `{"who":"me"}`)
	w.must("set", "cmd=node", "triage", strings.Repeat("long ", 1000))
	w.must("unset", "cmd=node", "triage")
	if r := w.tryInput("true", "analyzer", "mine"); r.code != 0 {
		w.t.Fatal(r.stderr)
	}
	w.must("ticket", "cmd=svc.startd", "OS-2")
	w.must("rm", "--yes", hash(3))
}

// verbsWithJSON returns the verbs that have a flag for JSON, and those that print nothing else.
func verbsWithJSON(root *cobra.Command) (names []string) {
	names = []string{"info", "report"}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		name := strings.TrimPrefix(cmd.CommandPath(), root.Name()+" ")
		isFormat := cmd.Flags().Lookup("output") != nil && strings.Contains(cmd.Flags().Lookup("output").Usage, "json")
		if (cmd.Flags().Lookup("json") != nil || isFormat) && !slices.Contains(names, name) {
			names = append(names, name)
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(root)
	return names
}

// TestSchemasAreStrict checks that objects of this program have no members that their schema does
// not name, and that each schema is listed in the README beside it.
func TestSchemasAreStrict(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../docs/schema/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	list, err := os.ReadFile("../../docs/schema/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if !strings.Contains(string(list), "| "+name+" |") {
			t.Errorf("docs/schema/README.md does not list %s", name)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var schema any
		if err := json.Unmarshal(text, &schema); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if name != "document.json" { // the original adds members
			requireClosed(t, name, schema)
		}
	}
}

// requireClosed checks all objects in a schema that have properties.
func requireClosed(t *testing.T, where string, schema any) {
	switch s := schema.(type) {
	case map[string]any:
		if _, is := s["properties"].(map[string]any); is && s["additionalProperties"] != false {
			t.Errorf("%s allows other members", where)
		}
		for key, value := range s {
			requireClosed(t, where+"/"+key, value)
		}
	case []any:
		for _, value := range s {
			requireClosed(t, where, value)
		}
	}
}
