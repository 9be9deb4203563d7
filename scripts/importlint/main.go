// Command importlint checks the imports of the project: which package may import which others,
// and which library may be used by only one package. It prints every import that is not allowed
// and exits with status 1.
//
//	go run ./scripts/importlint
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
)

const module = "thothfs"

// arrows maps each package of the project to the packages of the project that its production code
// may import, besides those in internal/. "store/*" stands for the stores that have no entry.
var arrows = map[string][]string{
	"":                    {},
	"internal/atomicfile": {},
	"internal/filelock":   {"internal/withctx"},
	"internal/keyedlock":  {},
	"internal/sparsefile": {},
	"internal/tempdir":    {"internal/filelock"},
	"internal/testenv":    {},
	"internal/withctx":    {},
	"docs":                {},
	"cmd/thothfs": {
		"cache",
		"cache/cachedir",
		"cache/hotpack",
		"cmd/thothfs/analyze",
		"cmd/thothfs/check",
		"cmd/thothfs/complete",
		"cmd/thothfs/config",
		"cmd/thothfs/debugger",
		"cmd/thothfs/export",
		"cmd/thothfs/listing",
		"cmd/thothfs/manual",
		"cmd/thothfs/output",
		"cmd/thothfs/report",
		"cmd/thothfs/show",
		"corpus",
		"corpus/catalog",
		"corpus/download",
		"corpus/history",
		"corpus/ingest",
		"corpus/trash",
		"docs",
		"dump",
		"dump/document",
		"fs",
		"fs/fusefs",
		"query",
		"scripts",
		"signature",
		"store",
		"store/manta",
		"store/registry",
	},
	"cmd/thothfs/analyze":              {"cmd/thothfs/debugger", "cmd/thothfs/output", "fs", "fs/fusefs", "corpus", "corpus/catalog", "dump", "dump/document", "scripts", "store"},
	"cmd/thothfs/check":                {"cache/hotpack", "corpus", "corpus/catalog", "corpus/download", "corpus/trash", "dump", "dump/document", "store"},
	"cmd/thothfs/complete":             {"corpus/catalog", "query"},
	"cmd/thothfs/config":               {},
	"cmd/thothfs/debugger":             {"dump", "signature"},
	"cmd/thothfs/export":               {"corpus", "corpus/catalog", "dump/document", "query"},
	"cmd/thothfs/manual":               {},
	"cmd/thothfs/listing":              {"cmd/thothfs/output", "corpus", "corpus/catalog", "dump/document"},
	"cmd/thothfs/output":               {"corpus", "dump", "dump/document"},
	"cmd/thothfs/report":               {"cmd/thothfs/output", "corpus", "corpus/catalog"},
	"cmd/thothfs/show":                 {"cmd/thothfs/debugger", "cmd/thothfs/output", "dump", "dump/document"},
	"fs":                               {"corpus", "corpus/catalog", "cache", "dump", "dump/document", "query", "store"},
	"fs/treetest":                      {"cache", "corpus", "fs", "store", "store/mem"},
	"fs/fusefs":                        {"fs", "cache", "corpus", "dump", "dump/document", "store"},
	"corpus":                           {"corpus/catalog", "corpus/changelog", "corpus/history", "dump", "dump/document", "query", "store"},
	"corpus/catalog":                   {"corpus/changelog", "dump", "dump/document", "query", "store"},
	"corpus/changelog":                 {"dump", "store"},
	"corpus/download":                  {"dump", "store"},
	"corpus/ingest":                    {"corpus", "dump", "dump/document", "store"},
	"corpus/trash":                     {"corpus", "corpus/catalog", "dump", "dump/document", "store"},
	"corpus/history":                   {"dump", "dump/document", "store"},
	"cache":                            {"cache/blockfile", "cache/cachedir", "cache/hotpack", "store"},
	"cache/blockfile":                  {"cache/cachedir", "store"},
	"cache/cachedir":                   {},
	"cache/hotpack":                    {"store"},
	"dump":                             {"dump/vmcore", "internal/sparsefile"},
	"dump/document":                    {},
	"dump/vmcore":                      {},
	"dump/dumptest":                    {},
	"query":                            {},
	"scripts":                          {},
	"signature":                        {},
	"store":                            {},
	"store/*":                          {"store"},
	"store/registry":                   {"store", "store/*"},
	"store/storetest":                  {"store", "store/mem"},
	"store/manta/mantatest":            {},
	"store/manta/mantatest/mantatestd": {"store/manta/mantatest"},
}

// owners lists the libraries (by import path prefix) that only one package and the packages below
// it may use, except in tests.
var owners = map[string]string{
	"github.com/parquet-go/parquet-go": "cmd/thothfs/export",
	"github.com/hanwen/go-fuse/":       "fs/fusefs",
	"github.com/joyent/triton-go":      "store/manta",
	"github.com/hashicorp/golang-lru/": "cache",
	"modernc.org/sqlite":               "corpus/catalog",
	"database/sql":                     "corpus/catalog",
	"github.com/spf13/cobra":           "cmd/thothfs",
	"github.com/pelletier/go-toml/":    "cmd/thothfs/config",
}

// banned lists imports that a package must not have because it is independent of protocols.
var banned = map[string][]string{"fs": {"syscall"}}

// commandOnly lists imports that only commands (package main) may use.
var commandOnly = []string{"github.com/spf13/pflag"}

type listed struct {
	ImportPath string
	Name       string
	Imports    []string
}

func main() {
	pkgs, err := list()
	if err != nil {
		fmt.Fprintln(os.Stderr, "importlint:", err)
		os.Exit(2)
	}
	bad := 0
	for _, p := range pkgs {
		for _, complaint := range check(p) {
			fmt.Println(complaint)
			bad++
		}
	}
	if bad > 0 {
		fmt.Fprintf(os.Stderr, "importlint: %d imports are not on the package map (scripts/importlint/main.go)\n", bad)
		os.Exit(1)
	}
}

func list() ([]listed, error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Imports", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var pkgs []listed
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, err
		}
		pkgs = append(pkgs, p)
	}
}

func check(p listed) []string {
	self := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
	allowed, known := arrows[self]
	if path.Dir(self) == "store" && !known {
		allowed, known = arrows["store/*"], true
	}
	if !known && !strings.HasPrefix(self, "scripts/") {
		return []string{fmt.Sprintf("%s is not on the package map", self)}
	}
	var out []string
	for _, imp := range p.Imports {
		if why := refuse(self, p.Name, imp, allowed); why != "" {
			out = append(out, fmt.Sprintf("%s imports %s: %s", self, imp, why))
		}
	}
	return out
}

// refuse returns the reason why self must not import imp, or "".
func refuse(self, name, imp string, allowed []string) string {
	if inner, ok := strings.CutPrefix(imp, module+"/"); ok {
		return refuseInner(self, inner, allowed)
	}
	for prefix, owner := range owners {
		if strings.HasPrefix(imp, prefix) && owner != self && !strings.HasPrefix(self, owner+"/") {
			return "only " + owner + " uses it"
		}
	}
	if slices.Contains(banned[self], imp) {
		return "the tree knows no protocol and no errno"
	}
	for _, lib := range commandOnly {
		if imp == lib && name != "main" {
			return "only commands parse flags"
		}
	}
	if pure(self) && (imp == "os" || imp == "net/http") {
		return "the package is pure"
	}
	return ""
}

func refuseInner(self, inner string, allowed []string) string {
	internal := strings.HasPrefix(inner, "internal/")
	switch {
	case inner == "internal/testenv" && self != "fs/treetest": // fs/treetest is itself imported only by tests
		return "only tests import it"
	case path.Dir(inner) == "store" && slices.Contains(allowed, "store/*"):
		return ""
	case strings.HasPrefix(self, "scripts/"), slices.Contains(allowed, inner), internal && !pure(self) && !strings.HasPrefix(self, "internal/"):
		return ""
	}
	return "no such arrow on the map"
}

// pure reports whether a package must use neither files nor the network.
func pure(self string) bool { return self == "dump" || self == "dump/document" || self == "query" }
