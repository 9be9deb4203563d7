package fusefs

import (
	"slices"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// mountFlag is an option of mount(8) that mount(2) takes as a bit.
type mountFlag struct {
	name string
	bit  uintptr
	off  bool // the option clears the bit
}

func mountFlags() []mountFlag {
	return []mountFlag{
		{"ro", unix.MS_RDONLY, false}, {"rw", unix.MS_RDONLY, true},
		{"nosuid", unix.MS_NOSUID, false}, {"suid", unix.MS_NOSUID, true},
		{"nodev", unix.MS_NODEV, false}, {"dev", unix.MS_NODEV, true},
		{"noexec", unix.MS_NOEXEC, false}, {"exec", unix.MS_NOEXEC, true},
		{"sync", unix.MS_SYNCHRONOUS, false}, {"async", unix.MS_SYNCHRONOUS, true},
		{"dirsync", unix.MS_DIRSYNC, false},
		{"noatime", unix.MS_NOATIME, false}, {"atime", unix.MS_NOATIME, true},
		{"nodiratime", unix.MS_NODIRATIME, false}, {"diratime", unix.MS_NODIRATIME, true},
		{"relatime", unix.MS_RELATIME, false}, {"norelatime", unix.MS_RELATIME, true},
	}
}

// addMountOptions passes on the options after -o. mount(2) takes some of them as
// bits and knows few words; fusermount3 takes all of them as words.
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
			b.log().Info("auto_unmount is not needed: a dead mountpoint is mended by the next mount")
		default:
			words = append(words, o)
			flags = applyFlag(flags, o)
		}
	}
	mo.DirectMount = mo.DirectMount && !slices.ContainsFunc(words, onlyFusermountKnows)
	if mo.DirectMount {
		mo.DirectMountFlags = flags | unix.MS_MGC_VAL
		words = slices.DeleteFunc(words, isFlag)
	}
	mo.Options = words
}

func applyFlag(bits uintptr, option string) uintptr {
	for _, f := range mountFlags() {
		switch {
		case f.name != option:
		case f.off:
			bits &^= f.bit
		default:
			bits |= f.bit
		}
	}
	return bits
}

func isFlag(option string) bool {
	return slices.ContainsFunc(mountFlags(), func(f mountFlag) bool { return f.name == option })
}

// onlyFusermountKnows reports whether an option is neither a flag of mount(2) nor an
// option of the kernel's fuse.
func onlyFusermountKnows(option string) bool {
	name, _, _ := strings.Cut(option, "=")
	return !isFlag(option) && !slices.Contains([]string{"default_permissions", "blksize", "context", "fscontext", "defcontext"}, name)
}
