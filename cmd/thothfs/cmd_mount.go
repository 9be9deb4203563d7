package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"thothfs/cache"
	"thothfs/cmd/thothfs/output"
	"thothfs/fs/fusefs"
)

const mountLong = `Mounts the corpus and returns when the mount can be used. The process of the file system
runs in the background until the mountpoint is unmounted (by thothfs umount, umount(8)
or fusermount3 -u) or until it receives SIGTERM. With --foreground it stays in the
foreground, and Ctrl-C unmounts.

On a machine that is new to the corpus, the corpus is read first. In the meantime dumps
can be opened by their hashes. Directories that list dumps wait until they can list all
of them, or fail if the store does not answer. On a terminal, mount shows the progress;
Ctrl-C ends the display, not the mount.

A mountpoint whose process has died ("Transport endpoint is not connected") is repaired.
The background process writes messages to --log, by default to thothfs.log in the cache
directory.

Options such as ro, allow_other, allow_root, default_permissions, auto_unmount, nodev,
nosuid, noexec, noatime and fsname=NAME are passed to the kernel by -o. For fstab, -o
also takes the options of this program, such as cache-size=20GiB. If the program is
linked as /sbin/mount.thothfs, a line in fstab is

  /srv/dumps  /thoth  thothfs  allow_other,cache-size=20GiB  0 0`

type mountFlags struct {
	foreground  bool
	options     []string
	complete    completion
	learn       bool
	passthrough bool
}

var (
	// interactiveMount holds the default flags.
	interactiveMount = mountFlags{complete: completion{when: cache.CompleteIdle}, learn: true, passthrough: true}
	// batchMount holds the flags of a mount for analyzers, which read little of each dump.
	batchMount = mountFlags{learn: true, passthrough: true}
)

func mountCommand(cl *cli) *cobra.Command {
	m := interactiveMount
	cmd := &cobra.Command{
		Use:   "mount MOUNTPOINT",
		Short: "Mount the corpus as a file system",
		Long:  mountLong,
		Example: `  thothfs mount ~/thoth
  thothfs mount /srv/thoth --store manta:/thoth/stor/thoth -o allow_other,ro`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := splitMountOptions(m.options, cmd.Flags().Lookup, cmd.Flags().Set)
			if err != nil {
				return err
			}
			return runMount(cmd.Context(), cl, args[0], m, opts)
		},
	}
	cmd.Flags().BoolVarP(&m.foreground, "foreground", "f", false, "stay in the foreground and log to stderr")
	cmd.Flags().StringArrayVarP(&m.options, "options", "o", nil, "mount `OPTIONS`, separated by commas, as in mount(8)")
	cmd.Flags().Var(&m.complete, "complete", "`WHEN` to fetch the rest of an open dump: idle (use up to half of an idle link, or N % with idle=N%), always, or never")
	cmd.Flags().BoolVar(&m.learn, "learn", true, "store what a debugger read beside the dump, if the corpus can be written, so that the next one need not wait")
	cmd.Flags().BoolVar(&m.passthrough, "passthrough", true, "let the kernel read complete dumps, and those of a local corpus, directly where it can")
	return cmd
}

func runMount(ctx context.Context, cl *cli, mountpoint string, m mountFlags, options []string) (err error) {
	mountpoint, err = filepath.Abs(mountpoint)
	if err != nil {
		return err
	}
	if !isBackground(cl) {
		if err := checkMountpoint(ctx, mountpoint); err != nil {
			return err
		}
		if isNotEmpty(mountpoint) {
			cl.say("%s is not empty: what it contains is hidden as long as the corpus is mounted", mountpoint)
		}
		if !m.foreground {
			return startBackground(ctx, cl)
		}
	}
	server, c, err := startMount(ctx, cl, mountpoint, m, options)
	if rerr := reportReady(cl, err); err != nil || rerr != nil {
		if server != nil {
			server.Unmount(ctx)
		}
		if isBackground(cl) && rerr == nil {
			return output.ErrReported // the waiting process reports it
		}
		return errors.Join(err, rerr)
	}
	return serve(ctx, server, c)
}

// startMount opens the store, the catalogue and the cache, and mounts the corpus.
func startMount(ctx context.Context, cl *cli, mountpoint string, m mountFlags, options []string) (*fusefs.Server, *openedCorpus, error) {
	cachePath, err := cl.cachePath()
	if err != nil {
		return nil, nil, err
	}
	fallback := filepath.Join(cachePath, "thothfs.log")
	if m.foreground {
		fallback = "stderr"
	}
	cl.defaultLog = fallback
	log, err := cl.logger(fallback)
	if err != nil {
		return nil, nil, err
	}
	s, err := cl.openStores(ctx, false, log)
	if err != nil {
		return nil, nil, err
	}
	if err := checkOverlap(mountpoint, map[string]string{"cache directory": s.cache, "corpus": s.location.Dir, "log": cl.logPath()}); err != nil {
		return nil, nil, err
	}
	c, err := cl.openCatalogue(ctx, s, log)
	if err != nil {
		return nil, nil, err
	}
	blocks, err := c.openCache(m)
	if err != nil {
		return nil, nil, err
	}
	server, err := fusefs.Mount(mountpoint, c.mountOptions(blocks, m, options))
	if err != nil {
		return nil, nil, err
	}
	log.Info("mounted", "mountpoint", mountpoint, "corpus", s.location.Name, "pid", os.Getpid())
	return server, c, nil
}

// follow keeps the catalogue up to date until ctx is done.
func (c *openedCorpus) follow(ctx context.Context) error {
	var reporting sync.WaitGroup
	reporting.Go(func() { c.reportReading(ctx) })
	defer reporting.Wait()
	if _, err := c.TakeSnapshot(ctx, nil); err != nil && ctx.Err() == nil {
		c.log.Warn("the published catalogue is not to be had: every document is read instead", "error", err)
	}
	return c.Run(ctx)
}

// serve waits until the file system has been unmounted, either externally or by this process when
// ctx is done.
func serve(ctx context.Context, server *fusefs.Server, c *openedCorpus) error {
	runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	synced := make(chan error, 1)
	go func() { synced <- c.follow(runCtx) }() // ends on cancel, awaited below
	unmounted := make(chan struct{})
	go func() { server.Wait(); close(unmounted) }() // ends with the mount
	var err error
	select {
	case <-unmounted:
	case <-ctx.Done():
		// Unmount waits for open files to be closed. A second signal stops the wait.
		again, stop := signal.NotifyContext(context.WithoutCancel(ctx), os.Interrupt, syscall.SIGTERM)
		err = server.Unmount(again)
		stop()
		<-unmounted
	}
	cancel()
	return errors.Join(err, <-synced)
}

// splitMountOptions sets this program's flags given in -o and returns the remaining options for the
// kernel.
func splitMountOptions(given []string, lookup func(string) *pflag.Flag, set func(name, value string) error) ([]string, error) {
	var kernel []string
	for _, opt := range strings.Split(strings.Join(given, ","), ",") {
		name, value, hasValue := strings.Cut(opt, "=")
		switch {
		case opt == "" || opt == "defaults" || strings.HasPrefix(opt, "x-") || opt == "_netdev" || opt == "nofail":
		case name != "options" && lookup(name) != nil:
			if !hasValue {
				value = "true"
			}
			if err := set(name, value); err != nil {
				return nil, fmt.Errorf("-o %s: %w", opt, err)
			}
		default:
			kernel = append(kernel, opt)
		}
	}
	return kernel, nil
}
