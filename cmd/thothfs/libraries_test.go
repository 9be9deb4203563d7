package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestUploadStackOfAnotherLibrary checks that a library from another build than the dump's is not
// used to name functions in the stack.
func TestUploadStackOfAnotherLibrary(t *testing.T) {
	t.Parallel()
	need(t, "gcc", "gdb", "bash")
	w := newWorld(t)
	w.ownTemp()
	w.sh(`cat >program.c <<'.'
void right_name(void);
int main(void) { right_name(); return 0; }
.
cat >right.c <<'.'
#include <stdlib.h>
void right_name(void) { abort(); }
.
cat >wrong.c <<'.'
#include <stdlib.h>
void wrong_name(void) { abort(); }
void right_name(void) { wrong_name(); }
.
gcc -shared -fPIC -Wl,--build-id -o libname.so right.c
gcc -Wl,--build-id -o program program.c -L. -lname -Wl,-rpath,"$PWD"
gdb -nx -q -batch -ex run -ex 'generate-core-file core.program' ./program >gdb.log 2>&1
cp libname.so kept.so; gcc -shared -fPIC -Wl,--build-id -o libname.so wrong.c`)
	stack := func() string {
		t.Helper()
		w.sh("rm -rf corpus/[0-9a-f]*")
		id := firstWord(w.must("upload", "core.program"))
		doc, err := os.ReadFile(filepath.Join(w.dir, "corpus", id, "info.json"))
		if err != nil {
			t.Fatal(err)
		}
		return string(doc)
	}
	named := regexp.MustCompile("libname\\.so`[^+]|_name|frame_dummy") // an offset is not a name
	if got := stack(); named.MatchString(got) || !strings.Contains(got, "abort+") || !strings.Contains(got, "main+") {
		t.Errorf("another build:\n%s", got)
	}
	w.sh("mv kept.so libname.so")
	if got := stack(); !strings.Contains(got, "right_name+") {
		t.Errorf("the same build:\n%s", got)
	}
	if left, _ := filepath.Glob(filepath.Join(w.dir, "tmp", "thothfs-libraries-*")); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
}
