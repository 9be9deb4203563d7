package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/check"
	"thothfs/cmd/thothfs/output"
)

const checkLong = `Checks that every document can be read, that every dump is there and has the size that
its info.json says, that packs and the published catalogue belong to what is there,
that the local catalogue agrees with the store, and names what interrupted uploads
left. It prints a line for each finding, with what to do about it, and changes nothing. The
exit code is 1 if there are any.

It makes two or three requests for each dump. --read-data also reads all bytes, and
compares them with the MD5 that the store has and the dump with its hash. Without
words the whole corpus is checked.
`

func checkCommand(cl *cli) *cobra.Command {
	var readData, asJSON bool
	cmd := &cobra.Command{
		Use:   "check [SPEC...]",
		Short: "Check that the corpus is whole and agrees with itself",
		Long:  checkLong + specHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runCheck(cmd.Context(), cl, args, readData, asJSON)
		},
	}
	cmd.Flags().BoolVar(&readData, "read-data", false, "read all bytes and verify them")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func runCheck(ctx context.Context, cl *cli, args []string, readData, asJSON bool) error {
	c, err := cl.open(ctx, false)
	if err != nil {
		return err
	}
	if err := c.syncNow(ctx); err != nil {
		return err
	}
	o := check.Options{ReadData: readData}
	if len(args) > 0 {
		if o.IDs, err = c.selectIDs(ctx, args); err != nil {
			return err
		}
		if len(o.IDs) == 0 {
			cl.say("no dump matches")
			return nil
		}
	}
	bar := output.NewProgress(cl.stderr, "checking", false)
	o.Progress = bar.Set
	rep, err := check.Run(ctx, c.Corpus, o)
	bar.Done()
	if err != nil {
		return err
	}
	if err := cl.writeCheck(rep, asJSON); err != nil {
		return err
	}
	if len(rep.Findings) > 0 {
		return output.ErrReported
	}
	return nil
}

func (cl *cli) writeCheck(rep *check.Report, asJSON bool) error {
	if asJSON {
		if rep.Findings == nil {
			rep.Findings = []check.Finding{}
		}
		var raw bytes.Buffer
		enc := json.NewEncoder(&raw)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(rep); err != nil {
			return err
		}
		return output.WriteJSON(cl.stdout, bytes.TrimSpace(raw.Bytes()))
	}
	for _, f := range rep.Findings {
		if _, err := fmt.Fprintln(cl.stdout, output.Cell(f.String())); err != nil {
			return err
		}
	}
	text := fmt.Sprintf("%s, %s, %s checked", english.Plural(rep.Dumps, "dump", ""), english.Plural(rep.Objects, "object", ""), humanize.IBytes(uint64(rep.Bytes)))
	if rep.ReadData > 0 {
		text += fmt.Sprintf(", %s read", humanize.IBytes(uint64(rep.ReadData)))
	}
	if rep.Trashed > 0 {
		text += fmt.Sprintf(", %d in the trash", rep.Trashed)
	}
	switch n := len(rep.Findings); n {
	case 0:
		text += ": nothing is wrong"
	default:
		text += ": " + english.Plural(n, "problem", "")
	}
	cl.say("%s", text)
	return nil
}
