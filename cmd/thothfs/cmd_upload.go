package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"thothfs/cache/cachedir"
	"thothfs/cache/hotpack"
	"thothfs/cmd/thothfs/debugger"
	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/corpus/download"
	"thothfs/corpus/ingest"
	"thothfs/dump"
	"thothfs/dump/document"
	"thothfs/fs"
	"thothfs/store"
)

const uploadLong = `Stores each dump in the corpus under its hash, with an info.json that describes it, and
prints a line with the hash and the name. A dump that is there already is not stored
again, but --node, --platform, --time, --ticket and --set apply to it. An interrupted
upload is completed; the dump whose transfer was interrupted is sent again from its
start, since no store keeps part of an object. A truncated copy is replaced by a larger
one. Compressed dumps are unpacked, and dumps in makedumpfile's flattened format
(makedumpfile -F, QEMU's dump-guest-memory -z) are rearranged. Join the parts that
makedumpfile --split wrote with makedumpfile --reassemble first.

For a directory, all dumps in it and below it are stored. They are recognized by their
format; other files are counted, and symbolic links are not followed. Skipped are
caches (directories with a CACHEDIR.TAG, as that of thothfs), directories named .thothfs
and unfinished copies of thothfs get: a dump in them may lack parts. - is standard input,
such as a pipe from the kernel (core_pattern), with the name core or --name.

Signal, program, build ID, parent and threads come from the dump. User and group come
from the dump, the attributes of systemd-coredump or the file's name, which also provide
what the dump lacks. Options take precedence. Node, platform and distribution of this
machine are used only if the file's name has the boot ID of the current boot: give
--node and --platform for a core that the kernel wrote. The stack comes from a debugger
on the PATH (gdb, or mdb for illumos); without one it is left out.`

type uploadFlags struct {
	node, platform, time, ticket string
	set                          []string
	name                         string
	noStack, force               bool
}

func uploadCommand(cl *cli) *cobra.Command {
	var u uploadFlags
	cmd := &cobra.Command{
		Use:   "upload FILE|DIRECTORY|-...",
		Short: "Store dumps in the corpus",
		Long:  uploadLong,
		Example: `  thothfs upload /var/lib/systemd/coredump/core.*
  thothfs upload core.1234 --node web7 --ticket OS-2359`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error { return runUpload(cmd.Context(), cl, files, u) },
	}
	f := cmd.Flags()
	f.StringVar(&u.node, "node", "", "the `HOST` the dump is from")
	f.StringVar(&u.platform, "platform", "", "the operating system `VERSION` it ran")
	f.StringVar(&u.time, "time", "", "when it was made: `TIME` as 2013-07-11T18:11:43Z, or seconds since 1970 as @1373566303")
	f.StringVar(&u.name, "name", "", "store the dump under `NAME`, instead of the name of the file")
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
	if _, terminal := output.Terminal(cl.stdin); terminal && slices.Contains(files, "-") {
		return usageErrorf("standard input is a terminal: redirect a dump to it")
	}
	if err := u.checkName(files); err != nil {
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
		options.Pack, options.DataMap = hotPack, download.EncodeMap
	}
	return eachFile(ctx, cl, files, func(path string) error {
		fi, err := os.Stat(path)
		switch {
		case path == "-":
			return uploadStdin(ctx, cl, c.Corpus, cmp.Or(u.name, "core"), options)
		case err == nil && fi.IsDir():
			return uploadDirectory(ctx, cl, c.Corpus, path, options)
		case err == nil && u.name != "" && fi.Mode().IsRegular():
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			options.File = f
			return uploadOne(ctx, cl, c.Corpus, u.name, options)
		}
		return uploadOne(ctx, cl, c.Corpus, path, options)
	})
}

// checkName returns an error if --name does not fit the files.
func (u *uploadFlags) checkName(files []string) error {
	switch {
	case u.name == "":
		return nil
	case len(files) > 1:
		return usageErrorf("--name names one dump, and %d are given", len(files))
	case !corpus.ValidFileName(u.name):
		return usageErrorf("--name %q is not a valid file name", u.name)
	}
	if fi, err := os.Stat(files[0]); err == nil && fi.IsDir() && files[0] != "-" {
		return usageErrorf("--name names one dump, and %s is a directory", files[0])
	}
	return nil
}

// uploadStdin uploads the dump on standard input, which has to be copied to a file first: the hash, and
// so the key, depends on what comes late in it.
func uploadStdin(ctx context.Context, cl *cli, c *corpus.Corpus, name string, o ingest.Options) error {
	spooled, err := orInterrupted(ctx, func() (*os.File, error) { return ingest.Spool(ctx, cl.stdin, o.TempDir) })
	if err != nil {
		return err
	}
	defer spooled.Close()
	if fi, err := spooled.Stat(); err != nil {
		return err
	} else if fi.Size() == 0 {
		return errNoInput
	}
	o.File = spooled
	return uploadOne(ctx, cl, c, name, o)
}

// uploadDirectory uploads the dumps in a directory and below it. It opens nothing outside, whatever is
// changed meanwhile.
func uploadDirectory(ctx context.Context, cl *cli, c *corpus.Corpus, dir string, o ingest.Options) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var failed error
	dumps, others := 0, 0
	fail := func(name string, err error) {
		cl.say("%s: %v", filepath.Join(dir, name), err)
		failed = output.ErrReported
	}
	err = iofs.WalkDir(root.FS(), ".", func(name string, d iofs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			fail(name, err)
			return nil
		}
		if d.IsDir() {
			if what := ownDirectory(root, dir, name); what != "" {
				cl.say("%s: %s, skipped", filepath.Join(dir, name), what)
				return iofs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || strings.HasPrefix(d.Name(), download.PartialPrefix) {
			others++
			return nil
		}
		f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			fail(name, err)
			return nil
		}
		defer f.Close()
		isDump, err := ingest.IsDump(f)
		if err == nil && !isDump {
			others++
			return nil
		}
		if dumps++; err == nil {
			o.File = f
			err = uploadOne(ctx, cl, c, filepath.Join(dir, name), o)
		}
		if err != nil {
			fail(name, err)
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	switch {
	case dumps == 0:
		cl.say("%s: no dumps in it, and %s", dir, english.Plural(others, "other file", ""))
	case others > 0:
		cl.say("%s: %s skipped", dir, english.Plural(others, "other file", ""))
	}
	return failed
}

// ownDirectory returns what a directory is that may have files that look like dumps and lack parts, or "".
func ownDirectory(root *os.Root, dir, name string) string {
	if filepath.Base(filepath.Join(dir, name)) == fs.ControlDir { // in a corpus as in a mount
		return "internal files of a corpus"
	}
	if _, err := root.Lstat(filepath.Join(name, cachedir.TagName)); err == nil {
		return "a cache"
	}
	return ""
}

// uploadOne uploads a dump and prints its hash and its name.
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
	if res.State != ingest.Stored || len(res.Changed) > 0 {
		cl.say("%s %s%s", filepath.Base(path), res.State, changedText(res.Changed))
	}
	if res.Info != nil && res.Info.Truncated() {
		cl.say("%s is truncated: %s; upload the whole file to replace it", filepath.Base(path), truncation(res.Info))
	}
	_, err = fmt.Fprintf(cl.stdout, "%s  %s\n", res.ID, output.Cell(path))
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
		return o, fmt.Errorf("--ticket: %q is not a ticket", u.ticket)
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
	if sec, ok := strings.CutPrefix(u.time, "@"); ok {
		n, err := strconv.ParseUint(sec, 10, 40)
		if err != nil {
			return o, usageErrorf("--time %q: expected seconds since 1970, such as @1373566303", u.time)
		}
		o.Time = time.Unix(int64(n), 0)
	} else if u.time != "" {
		var ok bool
		if o.Time, ok = parseTime(u.time); !ok {
			return o, usageErrorf("--time %q: expected a time such as 2013-07-11T18:11:43Z", u.time)
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
