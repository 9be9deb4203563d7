package debugger

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strings"

	"thothfs/dump"
	"thothfs/signature"
)

// Death returns how the process died whose dump is at path. stack comes from info.json. Death reads
// the stack from the dump instead if stack contains no function names, or if an older version may
// have stored inlined functions under their callers' names.
func Death(ctx context.Context, path string, stack []string) (signature.Death, error) {
	info, err := Inspect(path)
	if err != nil {
		return signature.Death{}, err
	}
	d := signature.Death{Stack: stack, Program: programOf(info), Signal: info.Signal}
	if !slices.ContainsFunc(stack, hasName) || repeatsFrame(stack) {
		read, err := Stack(ctx, path, info)
		if err != nil && len(stack) == 0 {
			return d, err
		}
		if len(stack) == 0 || slices.ContainsFunc(read, hasName) {
			d.Stack = read
		}
	}
	for _, m := range info.Modules {
		d.Modules = append(d.Modules, signature.Module{Path: m.Path, BuildID: m.BuildID, Start: m.Start, End: m.End})
	}
	f, err := os.Open(path)
	if err != nil {
		return d, err
	}
	defer f.Close()
	fault := info.Fault()
	handled, ok, err := info.Handled(f)
	if ok {
		d.Handled, d.Sent = handled.Signal, handled.Signal == 0
	}
	d.Overflow = info.StackOverflow(fault) || !fault.HasAddress && info.StackOverflow(handled)
	return d, err
}

// repeatsFrame reports whether two adjacent frames are equal.
func repeatsFrame(stack []string) bool { return len(slices.Compact(slices.Clone(stack))) < len(stack) }

// programOf returns the path of the program that left a dump or, failing that, its name.
func programOf(info *dump.Info) string {
	arg0, _, _ := strings.Cut(info.Psargs, " ")
	return cmp.Or(info.Executable, arg0, info.Cmd)
}
