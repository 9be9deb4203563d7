package analyze

import "testing"

func TestWhatAnAnalyzerDoes(t *testing.T) {
	for text, want := range map[string]string{
		"#!/bin/bash\n#\n# x: does this.\n# More.\n": "does this",
		"# x: as properties:\n#\n#\tproperties.a\n":  "as properties",
		"# two\n# lines. And more\necho # no\n":      "two lines",
		"echo hi\n":                                  "",
		"":                                           "",
		"# \x1b[31mred\n":                            `\x1b[31mred`,
		"# version 1.2 of it\n":                      "version 1.2 of it",
	} {
		if got := what("x", []byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for _, name := range Builtins() {
		if what(name, builtin(name)) == "" {
			t.Errorf("%s does not say what it does", name)
		}
	}
}
