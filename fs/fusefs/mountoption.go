package fusefs

import (
	"slices"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// mountFlag is an option of mount(8) that corresponds to a flag bit of mount(2).
type mountFlag struct {
	bit uintptr
	off bool // the option clears the bit
}

var mountFlags = map[string]mountFlag{
	"ro": {unix.MS_RDONLY, false}, "rw": {unix.MS_RDONLY, true},
	"nosuid": {unix.MS_NOSUID, false}, "suid": {unix.MS_NOSUID, true},
	"nodev": {unix.MS_NODEV, false}, "dev": {unix.MS_NODEV, true},
	"noexec": {unix.MS_NOEXEC, false}, "exec": {unix.MS_NOEXEC, true},
	"sync": {unix.MS_SYNCHRONOUS, false}, "async": {unix.MS_SYNCHRONOUS, true},
	"dirsync": {unix.MS_DIRSYNC, false},
	"noatime": {unix.MS_NOATIME, false}, "atime": {unix.MS_NOATIME, true},
	"nodiratime": {unix.MS_NODIRATIME, false}, "diratime": {unix.MS_NODIRATIME, true},
	"relatime": {unix.MS_RELATIME, false}, "norelatime": {unix.MS_RELATIME, true},
}

// addMountOptions adds the options given with -o. Some are flag bits of mount(2), which accepts few
// others; fusermount3 accepts all of them as words.
func (b *bridge) addMountOptions(mo *fuse.MountOptions) {
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	var words []string
	for _, o := range b.o.MountOptions {
		value, isName := strings.CutPrefix(o, "fsname=")
		switch {
		case o == "" || o == "defaults" || strings.HasPrefix(o, "subtype="):
		case o == "allow_other":
			mo.AllowOther = true
		case isName:
			mo.FsName = value
		case o == "auto_unmount":
			b.log().Info("auto_unmount is not needed: the next mount repairs a dead mountpoint")
		default:
			words = append(words, o)
			if f := mountFlags[o]; f.off {
				flags &^= f.bit
			} else {
				flags |= f.bit
			}
		}
	}
	mo.DirectMount = mo.DirectMount && !slices.ContainsFunc(words, needsFusermount)
	if mo.DirectMount {
		mo.DirectMountFlags = flags | unix.MS_MGC_VAL
		words = slices.DeleteFunc(words, isFlag)
	}
	mo.Options = words
}

func isFlag(option string) bool { return mountFlags[option].bit != 0 }

// needsFusermount reports whether an option is neither a flag of mount(2) nor an option of the
// kernel's FUSE.
func needsFusermount(option string) bool {
	name, _, _ := strings.Cut(option, "=")
	return !isFlag(option) && !slices.Contains([]string{"default_permissions", "blksize", "context", "fscontext", "defcontext"}, name)
}
