package signature

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

const (
	maxFrames = 1024
	maxName   = 4096 // bytes in a frame; the rest is ignored

	// maxModule is the maximum offset in a module. Larger offsets are not trusted, since other
	// memory may lie between two mappings of a file.
	maxModule = 1 << 32
)

// Module is a mapped file.
type Module struct {
	Path, BuildID string
	Start, End    uint64
}

// frame is a parsed stack frame.
type frame struct {
	module   string // from moduleName; "" if unknown
	function string // from functionName; "" without a symbol
	place    string // without a symbol: "MODULE+0xOFFSET@BUILD-ID", or "" outside all modules
}

// key identifies the function of a frame within a stack.
func (f frame) key() string {
	if f.function == "" {
		return cmp.Or(f.place, "?")
	}
	return f.module + "`" + f.function
}

var (
	frameModule  = regexp.MustCompile("^[^`(<]*`")
	frameOffset  = regexp.MustCompile(`\+(0x[0-9a-f]+|[0-9]+)\(.*$`)
	frameAddress = regexp.MustCompile(`^(0x[0-9a-f]+|[0-9]+|\?+|<unavailable>)$`)
)

// parseFrame parses a frame in the format of info.json: MODULE`FUNCTION+0xOFFSET(), any part of
// which may be absent, or an address. A frame without MODULE belongs to the program.
func parseFrame(text, program string, modules []Module) frame {
	text = text[:min(len(text), maxName)]
	var f frame
	prefix := frameModule.FindString(text)
	if prefix != "" {
		f.module = moduleName(strings.TrimSuffix(prefix, "`"))
		text = text[len(prefix):]
	}
	offset := ""
	if at := frameOffset.FindStringSubmatchIndex(text); at != nil {
		text, offset = text[:at[0]], text[at[2]:at[3]]
	}
	text = strings.TrimSuffix(text, "()")
	switch {
	case prefix != "" && text == "" && offset != "":
		f.place = place(f.module, offset, buildOf(f.module, modules))
	case text == "" || frameAddress.MatchString(text):
		f.module, f.place = placeOf(text, modules)
		f.module = cmp.Or(f.module, program)
	default:
		f.function, f.module = functionName(text), cmp.Or(f.module, program)
	}
	return f
}

func place(module, offset, build string) string {
	p := module + "+" + offset
	if build != "" {
		p += "@" + build[:min(len(build), 8)]
	}
	return p
}

// placeOf returns the module that contains an address, and the place in that module.
func placeOf(text string, modules []Module) (module, at string) {
	addr, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		return "", ""
	}
	for _, m := range modules {
		if addr >= m.Start && addr < m.End && addr-m.Start < maxModule {
			name := moduleName(m.Path)
			return name, place(name, fmt.Sprintf("%#x", addr-m.Start), m.BuildID)
		}
	}
	return "", ""
}

func buildOf(module string, modules []Module) string {
	for _, m := range modules {
		if moduleName(m.Path) == module {
			return m.BuildID
		}
	}
	return ""
}

var (
	soVersion = regexp.MustCompile(`\.so\.[0-9.]+$`)
	pythonABI = regexp.MustCompile(`\.(cpython|pypy|abi)[^.]*\.so$`)
)

// moduleName returns the name of a program or library without its directory and without the
// version after ".so".
func moduleName(path string) string {
	path = strings.TrimSuffix(path, " (deleted)") // as the kernel writes it
	name := path[strings.LastIndexByte(path, '/')+1:]
	name = soVersion.ReplaceAllString(name, ".so")
	return pythonABI.ReplaceAllString(name, ".so")
}

var (
	goMethod = regexp.MustCompile(`^(\S+)\[(\w+)\]$`)
	operator = regexp.MustCompile(`operator(\(\)|<=>|<<=|>>=|<<|>>|->\*|->|<=|>=|<|>|\[\])`)
	returns  = regexp.MustCompile(` [^ ]*operator`)
	suffix   = regexp.MustCompile(`(\.(constprop|isra|part|cold|lto_priv|llvm|localalias|clone|abi0|abiinternal|plt)(\.[0-9]+)*)+$`)
	rustHash = regexp.MustCompile(`::h[0-9a-f]{16}$`)
	closure  = regexp.MustCompile(`\{(\{closure\}|closure#[0-9]+|closure_env#[0-9]+)\}`)

	// Rust names as a C++ demangler leaves them.
	rustEscapes = strings.NewReplacer("$LT$", "<", "$GT$", ">", "$u7b$", "{", "$u7d$", "}", "$u20$", " ", "$C$", ",", "$RF$", "&", "$BP$", "*", "::_$", "::$")
	toBraces    = strings.NewReplacer("<", "{lt}", ">", "{gt}", "()", "{call}", "[]", "{at}")
	fromBraces  = strings.NewReplacer("{lt}", "<", "{gt}", ">", "{call}", "()", "{at}", "[]", ".{*", ".(*")
)

// GoName returns the name of a Go function in Go's notation. gdb writes main.(*T).Method as
// main.(*T)[Method], as if it were Objective-C.
func GoName(s string) string { return goMethod.ReplaceAllString(s, "$1.$2") }

// functionName returns the name of a function without the parts that differ between builds:
// arguments, template arguments, return types of templates, versions, crate hashes, and
// suffixes added by compilers and C libraries.
func functionName(s string) string {
	s = GoName(s)
	if strings.Contains(s, "$") {
		s = rustEscapes.Replace(strings.Replace(s, "$u7b$$u7b$", "$u7b$$u7b$", 1))
	}
	s = closure.ReplaceAllString(s, "{closure}")
	s = strings.ReplaceAll(s, "(anonymous namespace)", "{anonymous}")
	s = strings.ReplaceAll(s, ".(*", ".{*") // Go: main.(*Type).Method
	if at := operator.FindStringIndex(s); at != nil {
		s = s[:at[0]] + "operator" + toBraces.Replace(s[at[0]+len("operator"):at[1]]) + s[at[1]:]
	}
	s = bare(strings.ReplaceAll(s, "->", ""))
	s, _, _ = strings.Cut(s, "@")
	s = strings.TrimRight(s, " ")
	s = strings.TrimSuffix(strings.TrimSuffix(s, " const"), " volatile")
	if at := returns.FindStringIndex(s); at != nil {
		s = s[at[0]+1:]
	}
	if !strings.Contains(s, "operator") && !strings.HasPrefix(s, "<") {
		s = s[strings.LastIndexByte(s, ' ')+1:]
	}
	s = suffix.ReplaceAllString(s, "")
	s = rustHash.ReplaceAllString(s, "")
	s = strings.TrimPrefix(strings.TrimSuffix(s, "::"), "__GI_")
	return fromBraces.Replace(s)
}

// bare removes brackets and their contents: arguments, template arguments, [clone .cold],
// [abi:cxx11]. It keeps the outer brackets of Rust's <TYPE as TRAIT>::METHOD.
func bare(s string) string {
	depth, keep := 0, 0
	if strings.HasPrefix(s, "<") {
		keep = 1
	}
	var out strings.Builder
	for i := range len(s) {
		opens, closes := strings.IndexByte("<([", s[i]) >= 0, strings.IndexByte(">)]", s[i]) >= 0
		if opens {
			depth++
		}
		if depth <= keep {
			out.WriteByte(s[i])
		}
		if closes && depth > 0 {
			depth--
		}
	}
	return out.String()
}
