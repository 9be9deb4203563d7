package debugger

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"thothfs/dump"
	"thothfs/signature"
)

// Death returns how the process or Linux kernel died whose dump is at path. stack comes from
// info.json. Death reads the stack from the dump instead if stack contains no function names, or if
// an older version may have stored inlined functions under their callers' names.
func Death(ctx context.Context, path string, stack []string) (signature.Death, error) {
	info, err := Inspect(path)
	if err != nil {
		return signature.Death{}, err
	}
	if info.Type == dump.Crash {
		return kernelDeath(info, stack)
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

// kernelDeath is Death for the dump of a kernel.
func kernelDeath(info *dump.Info, stack []string) (signature.Death, error) {
	read, err := kernelStack(info)
	if err != nil {
		return signature.Death{}, err
	}
	if !slices.ContainsFunc(stack, hasName) {
		stack = read
	}
	return signature.Death{Stack: stack, Program: signature.Kernel, Kernel: true, Panic: info.LinuxKernel.Panic}, nil
}

// kernelStack returns the stack of the panic that is in the kernel's log.
func kernelStack(info *dump.Info) ([]string, error) {
	if info.LinuxKernel == nil {
		return nil, errors.New("the dump is not from a Linux kernel, or lacks VMCOREINFO")
	}
	return info.LinuxKernel.Stack, nil
}

// repeatsFrame reports whether two adjacent frames are equal.
func repeatsFrame(stack []string) bool { return len(slices.Compact(slices.Clone(stack))) < len(stack) }

// programOf returns the path of the program that left a dump or, failing that, its name.
func programOf(info *dump.Info) string {
	arg0, _, _ := strings.Cut(info.Psargs, " ")
	return cmp.Or(info.Executable, arg0, info.Cmd)
}
