package fs

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// maxBackground is how many reads the kernel keeps in flight. Its own default of
// 12 holds random readers over a slow link down to a fifth.
const maxBackground = 128

// maxReadAhead is how much the kernel reads ahead of a reader, and around a page fault,
// in bytes. Its default of 128 KiB makes a debugger that maps the dump wait for twice as
// many pages that it does not want; sequential readers get the cache's own read-ahead,
// and lose nothing.
const maxReadAhead = 64 << 10

// maxRead is the largest read the kernel may ask for, in bytes.
const maxRead = 1 << 20

// Mount mounts the corpus at mountpoint, a directory, and returns when it can be
// used. A mountpoint whose former process died is mended first; one that has a
// live corpus is ErrMounted. The caller ends the Server by Unmount.
func Mount(mountpoint string, o Options) (*Server, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	mountpoint, err := resolve(mountpoint)
	if err != nil {
		return nil, err
	}
	defer lockMountpoint(mountpoint)() // until the kernel's table has it
	if err := Mend(mountpoint); err != nil {
		return nil, err
	}
	tree := newTree(o)
	root := &root{node: node{t: tree}}
	raw := nameLimit{fusefs.NewNodeFS(root, tree.nodeOptions())}
	mo := tree.mountOptions()
	kernel, err := fuse.NewServer(raw, mountpoint, &mo)
	if err != nil {
		return nil, fmt.Errorf("mount %s: %w", mountpoint, err)
	}
	if err := keepToOurselves(); err != nil {
		o.Log.Warn("programs that are started from here may hold the mount up", "error", err)
	}
	return newServer(mountpoint, tree, root, kernel)
}

// resolve makes a mountpoint absolute and free of links, as the kernel's table
// has it, without touching the directory itself: it may be a dead mount.
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

func (t *tree) nodeOptions() *fusefs.Options {
	return &fusefs.Options{
		AttrTimeout:     &t.o.AttrTimeout,
		NegativeTimeout: &t.missingTimeout,
		RootStableAttr:  &fusefs.StableAttr{Ino: fuse.FUSE_ROOT_ID},
	}
}

func (t *tree) mountOptions() fuse.MountOptions {
	mo := fuse.MountOptions{
		FsName:               t.o.FsName,
		Name:                 fsType,
		AllowOther:           t.o.AllowOther,
		DirectMount:          os.Geteuid() == 0,
		MaxBackground:        maxBackground,
		MaxWrite:             maxRead,
		MaxReadAhead:         maxReadAhead,
		MaxStackDepth:        2,
		EnableSymlinkCaching: true,
		IgnoreSecurityLabels: true,
		ExtraCapabilities:    fuse.CAP_READDIRPLUS_AUTO | fuse.CAP_ATOMIC_O_TRUNC,
		Logger:               t.words.logger(),
		PanicHandler:         t.panicked,
	}
	if !t.wantsPassthrough() {
		mo.DisabledCapabilities = fuse.CAP_PASSTHROUGH
	}
	t.addMountOptions(&mo)
	return mo
}

// wantsPassthrough reports whether the kernel is to be asked for passthrough. A mount that
// has it counts as stacked upon the file systems of the backing files, and overlayfs does
// not take it; so it is not asked for in vain.
func (t *tree) wantsPassthrough() bool { return !t.o.NoPassthrough && os.Geteuid() == 0 }

// panicked is the end of a call that met a bug of ours: the mount lives on.
func (t *tree) panicked(what any) fuse.Status {
	t.o.Log.Error("a bug in thothfs: the call answers EIO", "panic", fmt.Sprint(what), "stack", string(debug.Stack()))
	return fuse.EIO
}
