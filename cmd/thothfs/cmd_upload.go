package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"thothfs/cache/cachedir"
	"thothfs/cache/hotpack"
	"thothfs/cmd/thothfs/debugger"
	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/corpus/ingest"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/store"
)

const uploadLong = `Stores each dump in the corpus under its hash, with an info.json that says what
it is, and prints the hash. A dump that is there already is not stored again, but
--node, --platform, --time, --ticket and --set apply to it. One whose upload was
interrupted is completed, and a truncated copy is replaced by a larger one. Compressed dumps are unpacked, and dumps in makedumpfile's flattened format
(makedumpfile -F, QEMU's dump-guest-memory -z) rearranged. Join the parts that
makedumpfile --split wrote with makedumpfile --reassemble before.

Signal, program, build ID, parent and threads come from the dump, user and group
also from systemd-coredump's attributes or the file's name, as does what a dump
does not contain, unless an option gives it. Node, platform and distribution of this
machine are taken only if that name holds the boot ID of its current boot: give
--node and --platform for a core that the kernel wrote. The stack comes from a
debugger on the PATH (gdb; mdb for illumos); without one it is left out.`

type uploadFlags struct {
	node, platform, time, ticket string
	set                          []string
	noStack, force               bool
}

func uploadCommand(cl *cli) *cobra.Command {
	var u uploadFlags
	cmd := &cobra.Command{
		Use:   "upload FILE...",
		Short: "Store dumps in the corpus",
		Long:  uploadLong,
		Args:  cobra.MinimumNArgs(1),
		RunE:  func(cmd *cobra.Command, files []string) error { return runUpload(cmd.Context(), cl, files, u) },
	}
	f := cmd.Flags()
	f.StringVar(&u.node, "node", "", "the `HOST` the dump is from")
	f.StringVar(&u.platform, "platform", "", "the operating system `VERSION` it ran")
	f.StringVar(&u.time, "time", "", "when it was made: `TIME` as 2013-07-11T18:11:43Z")
	f.StringVar(&u.ticket, "ticket", "", "set the `TICKET` of the dumps")
	f.StringArrayVar(&u.set, "set", nil, "set a custom property, `PROP=VALUE`; may be repeated")
	f.BoolVar(&u.noStack, "no-stack", false, "do not run a debugger for the stack")
	f.BoolVar(&u.force, "force", false, "store a file that is cut before the notes that name its process")
	return cmd
}

func runUpload(ctx context.Context, cl *cli, files []string, u uploadFlags) error {
	options, err := u.options()
	if err != nil {
		return err
	}
	c, err := cl.open(ctx, true)
	if err != nil {
		return err
	}
	// Without a writable cache, compressed dumps are unpacked in the system's temporary directory.
	if dir := filepath.Join(c.cache, "tmp"); cachedir.Private(dir) == nil && unix.Access(dir, unix.W_OK) == nil {
		options.TempDir = dir
	}
	if _, local := store.AsLocal(c.store); !local {
		options.Pack = hotPack
	}
	return eachFile(ctx, cl, files, func(path string) error { return uploadOne(ctx, cl, c.Corpus, path, options) })
}

func uploadOne(ctx context.Context, cl *cli, c *corpus.Corpus, path string, o ingest.Options) error {
	bar := output.NewProgress(cl.stderr, filepath.Base(path), true)
	o.Progress = bar.SetBytes
	res, err := ingest.Upload(ctx, c, path, o)
	bar.Done()
	if errors.Is(err, ingest.ErrTooShort) {
		err = fmt.Errorf("%w; --force stores it anyway", err)
	}
	if err != nil {
		return err
	}
	cl.say("%s %s%s", filepath.Base(path), res.State, changedText(res.Changed))
	if res.Info != nil && res.Info.Truncated() {
		cl.say("%s is truncated: %s; upload the whole file to replace it", filepath.Base(path), truncation(res.Info))
	}
	_, err = fmt.Fprintln(cl.stdout, res.ID)
	return err
}

// changedText describes what the flags changed in a document that existed.
func changedText(paths []string) string {
	if len(paths) == 0 {
		return ""
	}
	return "; set " + strings.Join(paths, ", ")
}

// truncation describes how much of a truncated dump exists.
func truncation(info *dump.Info) string {
	least := "at least "
	if info.Exact {
		least = ""
	}
	return fmt.Sprintf("it has %d bytes of %s%d", info.Size, least, info.Needed)
}

func (u uploadFlags) options() (ingest.Options, error) {
	o := ingest.Options{Node: u.node, Platform: u.platform, Ticket: u.ticket, Force: u.force}
	if strings.Contains(u.ticket, "=") {
		return o, fmt.Errorf("--ticket: %q is no ticket", u.ticket)
	}
	for _, pair := range u.set {
		prop, value, ok := strings.Cut(pair, "=")
		if !ok || prop == "" {
			return o, usageErrorf("--set %q: expected PROP=VALUE", pair)
		}
		if err := checkProperty(prop); err != nil {
			return o, err
		}
		o.Set = append(o.Set, document.Set("properties."+prop, value))
	}
	if !u.noStack {
		o.Stack = debugger.StackForUpload
	}
	if u.time != "" {
		var ok bool
		if o.Time, ok = parseTime(u.time); !ok {
			return o, usageErrorf("--time: expected a time such as 2013-07-11T18:11:43Z")
		}
	}
	return o, nil
}

// hotPack builds the pack of a dump that is being uploaded from the ranges that a debugger is
// predicted to read first. If the prediction fails, the pack contains the ranges predicted until
// then.
func hotPack(ref store.Ref, src io.ReaderAt, size int64) ([]byte, error) {
	var ranges []hotpack.Range
	err := dump.Predict(src, size, func(off, n int64) { ranges = append(ranges, hotpack.Range{Off: off, Len: n}) })
	if len(ranges) == 0 && err != nil {
		return nil, err
	}
	return hotpack.Encode(ref, size, src, ranges, readAround, false)
}
