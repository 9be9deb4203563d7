package fusefs

import (
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"thothfs/fs"
)

// maxBackground is how many reads the kernel keeps in flight. With its default of 12
// random reads over a slow link take five times as long.
const maxBackground = 128

// maxReadAhead is how much the kernel reads ahead of a reader, and around a page fault,
// in bytes. With its default of 128 KiB a debugger that maps the dump waits for twice as
// many unwanted pages. Sequential readers lose nothing: the cache reads ahead by itself.
const maxReadAhead = 64 << 10

// maxRead is the largest read the kernel may ask for, in bytes.
const maxRead = 1 << 20

// Options are the settings of a mount.
type Options struct {
	Tree fs.Options // what to mount

	FsName        string        // source shown by df and mount: "thothfs#/srv/corpus"; "": "thothfs"
	AllowOther    bool          // let other users in
	MountOptions  []string      // as after mount -o; unknown ones fail the mount
	OpTimeout     time.Duration // after which a call that waits fails with ETIMEDOUT; 0: 60 s
	Grace         time.Duration // from a signal to EINTR; 0: 200 ms
	NoPassthrough bool          // all reads go through this process
}

// The defaults of Options.
const (
	defaultOpTimeout = time.Minute
	defaultGrace     = 200 * time.Millisecond
)

func (o *Options) setDefaults() {
	if o.FsName == "" {
		o.FsName = fsType
	}
	if o.OpTimeout <= 0 {
		o.OpTimeout = defaultOpTimeout
	}
	if o.Grace <= 0 {
		o.Grace = defaultGrace
	}
	if o.Tree.Log == nil {
		o.Tree.Log = slog.Default()
	}
}

// newBridge makes the tree of a mount.
func newBridge(o Options) (*bridge, error) {
	o.setDefaults()
	b := &bridge{o: o, nodes: nodeLimit{max: maxNodes, wake: make(chan struct{}, 1)}}
	stats := o.Tree.Stats
	o.Tree.Stats = func() []fs.Stat {
		var all []fs.Stat
		if stats != nil {
			all = stats()
		}
		return append(all,
			fs.Stat{Name: "fs.nodes", Value: b.nodes.made.Load()},
			fs.Stat{Name: "fs.opens.passthrough", Value: b.passthrough.opens.Load()}) // served by the kernel
	}
	tree, err := fs.New(o.Tree)
	if err != nil {
		return nil, err
	}
	b.tree = tree
	b.root = &node{b: b, n: tree.Root()}
	return b, nil
}

// Mount mounts the corpus at mountpoint, a directory, and returns when it can be used. A
// mountpoint whose former process died is repaired first. The error is ErrMounted when a
// live corpus is mounted there. The caller ends the Server by Unmount.
func Mount(mountpoint string, o Options) (*Server, error) {
	b, err := newBridge(o)
	if err != nil {
		return nil, err
	}
	s, err := mount(mountpoint, b)
	if err != nil {
		b.tree.Close()
	}
	return s, err
}

func mount(mountpoint string, b *bridge) (*Server, error) {
	mountpoint, err := resolve(mountpoint)
	if err != nil {
		return nil, err
	}
	defer lockMountpoint(mountpoint)() // until the mount is in the kernel's table
	if err := Mend(mountpoint); err != nil {
		return nil, err
	}
	raw := nameLimit{gofs.NewNodeFS(b.root, b.nodeOptions())}
	mo := b.mountOptions()
	kernel, err := fuse.NewServer(raw, mountpoint, &mo)
	if err != nil {
		return nil, fmt.Errorf("mount %s: %w", mountpoint, err)
	}
	if err := setCloseOnExec(); err != nil {
		b.log().Warn("programs started from here may keep the mount busy", "error", err)
	}
	return newServer(mountpoint, b, kernel)
}

func (b *bridge) log() *slog.Logger { return b.o.Tree.Log }

// resolve returns a mountpoint as in the kernel's table, absolute and without links. It
// does not access the directory itself, which may be a dead mount.
func resolve(mountpoint string) (string, error) {
	abs, err := filepath.Abs(mountpoint)
	if err != nil {
		return "", err
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return "", err
	}
	direct := filepath.Join(parent, filepath.Base(abs))
	if target, err := os.Readlink(direct); err == nil {
		if !filepath.IsAbs(target) {
			target = filepath.Join(parent, target)
		}
		return filepath.EvalSymlinks(target)
	}
	return direct, nil
}

// nameLimit answers ENAMETOOLONG for names of more than the 255 bytes that statfs(2)
// reports, which the kernel does not check. Every call looks its names up first.
type nameLimit struct{ fuse.RawFileSystem }

func (l nameLimit) Lookup(cancel <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if len(name) > fs.MaxName {
		return fuse.Status(syscall.ENAMETOOLONG)
	}
	return l.RawFileSystem.Lookup(cancel, in, name, out)
}

// libraryLog logs what go-fuse prints.
type libraryLog struct{ log *slog.Logger }

func (l libraryLog) Write(p []byte) (int, error) {
	l.log.Warn("fuse", "message", strings.TrimSpace(string(p)))
	return len(p), nil
}

func (b *bridge) nodeOptions() *gofs.Options {
	attr, missing := b.tree.AttrTimeout(), b.tree.MissingTimeout()
	return &gofs.Options{
		AttrTimeout:     &attr,
		NegativeTimeout: &missing,
		RootStableAttr:  &gofs.StableAttr{Ino: fuse.FUSE_ROOT_ID},
	}
}

func (b *bridge) mountOptions() fuse.MountOptions {
	mo := fuse.MountOptions{
		FsName:               b.o.FsName,
		Name:                 fsType,
		AllowOther:           b.o.AllowOther,
		DirectMount:          os.Geteuid() == 0,
		MaxBackground:        maxBackground,
		MaxWrite:             maxRead,
		MaxReadAhead:         maxReadAhead,
		MaxStackDepth:        2,
		EnableSymlinkCaching: true,
		IgnoreSecurityLabels: true,
		ExtraCapabilities:    fuse.CAP_READDIRPLUS_AUTO | fuse.CAP_ATOMIC_O_TRUNC,
		Logger:               log.New(libraryLog{b.log()}, "", 0),
		PanicHandler:         b.panicked,
	}
	if !b.wantsPassthrough() {
		mo.DisabledCapabilities = fuse.CAP_PASSTHROUGH
	}
	b.addMountOptions(&mo)
	return mo
}

// wantsPassthrough reports whether to ask the kernel for passthrough. It does not ask where
// passthrough cannot work: a mount that has it counts as stacked, and overlayfs rejects it.
func (b *bridge) wantsPassthrough() bool { return !b.o.NoPassthrough && os.Geteuid() == 0 }

// panicked answers a call that panicked with EIO. The mount continues.
func (b *bridge) panicked(what any) fuse.Status {
	b.log().Error("a bug in thothfs: the call answers EIO", "panic", fmt.Sprint(what), "stack", string(debug.Stack()))
	return fuse.EIO
}
