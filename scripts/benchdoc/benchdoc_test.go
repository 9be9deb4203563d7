package benchdoc

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReplaceMarked(t *testing.T) {
	doc := filepath.Join(t.TempDir(), "doc.md")
	text := "a\n<!-- x: begin -->\nold\n<!-- x: end -->\n<!-- y: begin -->\n<!-- y: end -->\nb\n"
	if err := os.WriteFile(doc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"y", "x"} {
		if err := ReplaceMarked(doc, name, "new "+name+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	want := "a\n<!-- x: begin -->\nnew x\n<!-- x: end -->\n<!-- y: begin -->\nnew y\n<!-- y: end -->\nb\n"
	if got, err := os.ReadFile(doc); err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	if err := ReplaceMarked(doc, "z", "new\n"); err == nil {
		t.Error("no error for marks that are not there")
	}
	if got, _ := os.ReadFile(doc); string(got) != want {
		t.Errorf("%q", got)
	}
}

func TestVersions(t *testing.T) {
	v := Versions(t.Context(), []string{"/nonexistent/tool", "--version"}, []string{"bash", "--version"})
	if v["tool"] != NotInstalled || v["bash"] == "" || v["bash"] == NotInstalled || v["go"] == "" {
		t.Errorf("%v", v)
	}
}
