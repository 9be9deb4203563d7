package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

func manCommand(cl *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages",
		Long: `Writes the manual pages into the directory DIR: thothfs(1), one for each verb, and thothfs-spec(7). Their date is
that of SOURCE_DATE_EPOCH, or else that of the commit from which the program was built.`,
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			date, err := cl.buildDate()
			if err != nil {
				return err
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			for _, page := range manualPages(cmd.Root(), date) {
				name := fmt.Sprintf("%s.%d", page.Name, page.Section)
				if err := os.WriteFile(filepath.Join(args[0], name), page.Roff(), 0o644); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// buildDate returns the date given by SOURCE_DATE_EPOCH (see reproducible-builds.org) or else that
// of the commit from which the program was built. If the build does not know it, it is today.
func (cl *cli) buildDate() (time.Time, error) {
	if text := cl.getenv("SOURCE_DATE_EPOCH"); text != "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return time.Time{}, usageErrorf("SOURCE_DATE_EPOCH=%q in the environment: expected seconds since 1970", text)
		}
		return time.Unix(seconds, 0), nil
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if at, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				return at, nil
			}
		}
	}
	return time.Now(), nil
}
