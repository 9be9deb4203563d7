package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/debugger"
	"thothfs/cmd/thothfs/output"
	"thothfs/dump"
)

func executableCommand(cl *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "executable DUMP",
		Short: "Print where the program of a dump is",
		Long: `Prints the path of the program that left the dump at the path DUMP, in a mount or
local, for use with any debugger: gdb $(thothfs executable core) core. It is the
object beside the dump of the same build-id, or of the program's name; the path that
the dump tells, if the file there is of the same build-id; or what the servers of
DEBUGINFOD_URLS have. The exit code is 1 when there is none.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			info, err := debugger.Inspect(args[0])
			if err != nil {
				return err
			}
			exe := debugger.FindExecutable(cmd.Context(), args[0], info)
			if exe.Rejected != "" {
				cl.say("%s", exe.Rejected)
			}
			if exe.Path == "" {
				return fmt.Errorf("its program (%s) is not here", cmp.Or(info.Executable, info.Cmd, "unknown"))
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
		Long: `Lists the programs and libraries that were mapped by the process that left the dump at
the path DUMP, in a mount or local: a line for each, with the build-id (- when the dump
does not have it), whether the file here is the same build (same, other, unknown when it
cannot be told, absent), and the path, with tabs between.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			info, err := debugger.Inspect(args[0])
			if err != nil {
				return err
			}
			return printEach(cl, info.Modules, func(m dump.Module) string {
				return fmt.Sprintf("%s\t%s\t%s", cmp.Or(m.BuildID, "-"), debugger.CompareBuild(m.Path, m.BuildID, info), output.Cell(m.Path))
			})
		},
	}
}
