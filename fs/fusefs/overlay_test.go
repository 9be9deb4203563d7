package fusefs

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOverlayUponAMount checks that a mount without passthrough can be a lower layer of overlayfs.
func TestOverlayUponAMount(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount overlayfs")
	}
	m := mountStore(t, threeDumps(t), func(o *Options) { o.NoPassthrough = true })
	dir, lower := t.TempDir(), t.TempDir()
	if err := unix.Mount("overlay", dir, "overlay", unix.MS_RDONLY, "lowerdir="+m.dir+":"+lower); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	if got := read(t, filepath.Join(dir, "by-hash", hashA, "core.node.1")); got != "the dump of A" {
		t.Errorf("holds %q", got)
	}
	if got := ls(t, filepath.Join(dir, "by-hash")); len(got) != 3 {
		t.Errorf("by-hash has %q", got)
	}
}
