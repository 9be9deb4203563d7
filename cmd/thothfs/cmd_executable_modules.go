package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/debugger"
	"thothfs/cmd/thothfs/output"
	"thothfs/dump"
)

func executableCommand(cl *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "executable DUMP",
		Short: "Print where the program of a dump is",
		Long: `Prints the path of the program that left a dump, or of the kernel, for use with any
debugger: gdb $(thothfs executable core) core. It is the file beside the dump that has
the same build ID, or else the program's name; the path recorded in the dump, if the
file there has the same build ID; or a file from the servers in DEBUGINFOD_URLS. The
exit code is 1 if there is none.

DUMP is a hash or a unique prefix of one, a path in a mount, or a local dump, for which
no corpus is needed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, info, err := cl.inspectDump(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			find, what := debugger.FindExecutable, "program"
			if info.Type == dump.Crash {
				find, what = debugger.FindVMLinux, "kernel"
			}
			exe := find(cmd.Context(), path, info)
			if exe.Rejected != "" {
				cl.say("%s", exe.Rejected)
			}
			if exe.Path == "" {
				return fmt.Errorf("the %s of the dump (%s) was not found on this machine", what, cmp.Or(info.Executable, info.Cmd, info.Platform, "unknown"))
			}
			_, err = fmt.Fprintln(cl.stdout, exe.Path)
			return err
		},
	}
}

func modulesCommand(cl *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "modules DUMP",
		Short: "List the files that a process had mapped",
		Long: `Lists the programs and libraries that were mapped by the process that left a dump, one
a line: the build ID (- if the dump does not have it), whether the file on this
machine is the same build (same, other, unknown if it cannot be compared, absent),
and the path, separated by tabs.

DUMP is a hash or a unique prefix of one, a path in a mount, or a local dump, for which
no corpus is needed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, info, err := cl.inspectDump(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return printEach(cl, info.Modules, func(m dump.Module) string {
				return fmt.Sprintf("%s\t%s\t%s", cmp.Or(m.BuildID, "-"), debugger.CompareBuild(m.Path, m.BuildID, info), output.Cell(m.Path))
			})
		},
	}
}

// inspectDump returns the path of the dump that a word names, and what it contains. A local dump and a
// path in a mount need no corpus. The path is "" if the dump can be read through the cache only.
func (cl *cli) inspectDump(ctx context.Context, word string) (path string, info *dump.Info, err error) {
	path, err = orInterrupted(ctx, func() (string, error) { return dumpPath(word) })
	if err == nil {
		if info, err = debugger.Inspect(path); err == nil || !isPath(word) {
			return path, info, err
		}
	}
	if ctx.Err() != nil {
		return "", nil, ctx.Err()
	}
	c, cerr := cl.openKnown(ctx)
	if cerr != nil {
		if _, serr := os.Lstat(word); serr == nil {
			cerr = err
		}
		return "", nil, cerr
	}
	find := c.findDump
	if c.isAway(ctx) {
		find = c.findKnownDump
	}
	id, ferr := find(ctx, word)
	if ferr != nil {
		return "", nil, ferr
	}
	f, err := c.openDump(ctx, id)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	info, err = f.Inspect()
	return f.path, info, err
}

// dumpPath returns the path of a local dump: path itself, or the dump in a directory of a mount.
func dumpPath(path string) (string, error) {
	fi, err := os.Stat(path)
	switch {
	case err != nil:
		return "", err
	case fi.Mode().IsRegular():
		return path, nil
	case !fi.IsDir():
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	path = filepath.Join(path, "dump") // a link
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is a directory, but not that of a dump", filepath.Dir(path))
	}
	return path, nil
}
