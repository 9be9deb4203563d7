package fusefs

import (
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"thothfs/fs"
)

// maxBackground is the maximum number of reads that the kernel keeps in flight. With its default of
// 12, random reads over a slow link take five times as long.
const maxBackground = 128

// maxReadAhead is the maximum number of bytes that the kernel reads ahead of a reader or around a
// page fault. With its default of 128 KiB, a debugger that maps the dump waits for twice as many
// unwanted pages. Sequential reads do not suffer because the cache has its own read-ahead.
const maxReadAhead = 64 << 10

// maxRead is the maximum size of a read request from the kernel, in bytes.
const maxRead = 1 << 20

// Options are the settings of a mount.
type Options struct {
	Tree fs.Options // the tree to mount

	FsName        string        // source shown by df and mount; "" means "thothfs"
	AllowOther    bool          // allow other users to access the mount
	MountOptions  []string      // as after mount -o; an unknown option makes the mount fail
	OpTimeout     time.Duration // time after which a waiting call fails with ETIMEDOUT; 0 means 60 s
	Grace         time.Duration // time from a signal to EINTR; 0 means 200 ms
	NoPassthrough bool          // serve all reads through this process
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

// newBridge returns the bridge of a mount, with its tree.
func newBridge(o Options) (*bridge, error) {
	o.setDefaults()
	b := &bridge{o: o, gid: uint32(os.Getegid()), nodes: nodeLimit{max: maxNodes, wake: make(chan struct{}, 1)}}
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

// Mount mounts the corpus at mountpoint, a directory, and returns when it is ready. If a dead mount
// is in the way, it is removed first. The error is ErrMounted when a live corpus is mounted there.
// The caller must call Server.Unmount.
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
		return nil, fmt.Errorf("mount %s: %w", mountpoint, explain(err))
	}
	if err := setCloseOnExec(); err != nil {
		b.log().Warn("programs started from here may keep the mount busy", "error", err)
	}
	return newServer(mountpoint, b, kernel)
}

// explain returns the error of go-fuse in words. A user other than root mounts with fusermount3, and root, too,
// if the kernel refuses a direct mount. fusermount3 prints its reason on standard error.
func explain(err error) error {
	_, absent := os.Stat("/dev/fuse")
	switch {
	case absent != nil:
		return errors.New("/dev/fuse does not exist: is the kernel's module fuse loaded, and is the device there in this container?")
	case errors.Is(err, exec.ErrNotFound) && os.Geteuid() == 0:
		return errors.New("the kernel refused the mount (an unknown option, or a container without CAP_SYS_ADMIN), and fusermount3 is not installed")
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("fusermount3 is not installed, without which only root can mount (Debian: apt-get install fuse3)")
	case strings.HasPrefix(err.Error(), "fusermount exited"): // a plain error of go-fuse
		return errors.New("fusermount3 refused the mount, for the reason that it printed")
	}
	return err
}

// setCloseOnExec prevents programs started by this process from inheriting the connection to the
// kernel, as they would after a mount by root (go-fuse 2.12, mountDirect). A debugger that outlived
// this process would keep the mount alive, and calls on it would never return, not even after
// SIGKILL.
func setCloseOnExec() error {
	fds, err := connectionFDs("/proc/self")
	for _, fd := range fds {
		if n, err := strconv.Atoi(fd); err == nil {
			unix.CloseOnExec(n)
		}
	}
	return err
}

func (b *bridge) log() *slog.Logger { return b.o.Tree.Log }

// resolve returns a mountpoint as it appears in the kernel's table: absolute and without links. It
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

// nameLimit returns ENAMETOOLONG for names longer than the 255 bytes reported by statfs(2), a limit
// that the kernel does not enforce. It only needs to override Lookup, since every call looks up its
// names first.
type nameLimit struct{ fuse.RawFileSystem }

func (l nameLimit) Lookup(cancel <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if len(name) > fs.MaxName {
		return fuse.Status(syscall.ENAMETOOLONG)
	}
	return l.RawFileSystem.Lookup(cancel, in, name, out)
}

// libraryLog logs the output of go-fuse.
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

// wantsPassthrough reports whether to request passthrough from the kernel. It is not requested
// where it cannot work, because a mount with passthrough counts as stacked, and overlayfs rejects
// it.
func (b *bridge) wantsPassthrough() bool { return !b.o.NoPassthrough && os.Geteuid() == 0 }

// panicked returns EIO for a call that panicked. The mount continues.
func (b *bridge) panicked(what any) fuse.Status {
	b.log().Error("a bug in thothfs: the call answers EIO", "panic", fmt.Sprint(what), "stack", string(debug.Stack()))
	return fuse.EIO
}
