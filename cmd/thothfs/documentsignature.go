package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/scripts"
	"thothfs/signature"
)

// documentStack prints the stack of the thread that died, a frame a line.
func (a *app) documentStack(ctx context.Context, path string) error {
	info, err := inspectFile(path)
	if err != nil {
		return err
	}
	stack, err := processStack(ctx, path, a.findExecutable(ctx, path, info).path, info)
	if err != nil {
		return err
	}
	for _, frame := range stack {
		if _, err := fmt.Fprintln(a.stdout, printable(frame)); err != nil {
			return err
		}
	}
	return nil
}

// documentSignal prints the signal that ended the process, and the address of a fault.
// It prints nothing when there was no signal.
func (a *app) documentSignal(path string) error {
	info, err := inspectFile(path)
	if err != nil {
		return err
	}
	f := info.Fault()
	if f.Signal == 0 {
		return nil
	}
	address := ""
	if f.HasAddress {
		address = fmt.Sprintf(" %#x", f.Address)
	}
	_, err = fmt.Fprintf(a.stdout, "%s%s\n", signature.SignalName(f.Signal), address)
	return err
}

// documentSignature sets the signature of the dump at path in a copy of its info.json.
// list is a file that overrides the program's list of functions that do not count; "" is
// none.
func (a *app) documentSignature(ctx context.Context, path, file, list string) error {
	text := scripts.Skip
	if list != "" {
		var err error
		if text, err = readSmall(list); err != nil {
			return err
		}
	}
	skip, err := signature.ParseSkip(text)
	if err != nil {
		return err
	}
	raw, err := readSmall(file)
	if err != nil {
		return err
	}
	death, err := a.deathOf(ctx, path, document.Parse(raw).Stack())
	if err != nil {
		return err
	}
	s, err := signature.Of(death, skip)
	if err != nil {
		return err
	}
	asText := func(name, value string) document.Edit {
		return document.Edit{Path: "properties." + name, Value: document.TextValue(value)}
	}
	fmt.Fprintf(a.stdout, "%s %s\n", s.Hash, printable(s.Text))
	return editDocument(file, only(asText("signature", s.Hash), asText("signature_of", s.Text), asText("signature_class", s.Class),
		asText("signature_program", s.Program), document.Set("properties.signature_rule", skip.RuleName(list == ""))))
}

// deathOf is what is known about the end of the process whose dump is at path. stack is
// that of info.json; the dump is read for it when it has no name, or may be of an older
// version, which stored an inlined function as its caller.
func (a *app) deathOf(ctx context.Context, path string, stack []string) (signature.Death, error) {
	info, err := inspectFile(path)
	if err != nil {
		return signature.Death{}, err
	}
	d := signature.Death{Stack: stack, Program: programOf(info), Signal: info.Signal}
	if !slices.ContainsFunc(stack, hasName) || repeatsFrame(stack) {
		read, err := processStack(ctx, path, a.findExecutable(ctx, path, info).path, info)
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

// repeatsFrame reports whether a frame follows itself.
func repeatsFrame(stack []string) bool { return len(slices.Compact(slices.Clone(stack))) < len(stack) }

// programOf is the path or name of the program that left a dump.
func programOf(info *dump.Info) string {
	arg0, _, _ := strings.Cut(info.Psargs, " ")
	return cmp.Or(info.Executable, arg0, info.Cmd)
}
