package dir

import (
	"fmt"
	iofs "io/fs"
	"strconv"
	"syscall"
	"time"

	"thothfs/store"
)

// settled is how old a directory's mtime must be to tell of every change since:
// on older kernels file times move in ticks, at most so far apart.
const settled = 20 * time.Millisecond

// describeInfo describes a file or directory, and refuses what is neither.
func describeInfo(op, key string, fi iofs.FileInfo) (store.Attr, error) {
	if !fi.Mode().IsRegular() && !fi.IsDir() {
		return store.Attr{}, invalid(op, key, errNotRegular)
	}
	st := fi.Sys().(*syscall.Stat_t)
	return attrOf(version{st.Ino, fi.Size(), st.Mtim.Nano(), st.Ctim.Nano()}, fi.IsDir()), nil
}

// version is what tells two versions of a file apart. The ctime is there for
// those who set the mtime back (cp -p, rsync); the price is that chmod makes a
// new version of the same bytes.
type version struct {
	ino                uint64
	size, mtime, ctime int64 // bytes; ns since 1970
}

func attrOf(v version, isDir bool) store.Attr {
	mtime := time.Unix(0, v.mtime).UTC()
	if isDir {
		return store.Attr{ETag: v.directory(time.Now()), ModTime: mtime, Dir: true}
	}
	etag := fmt.Sprintf("%x-%x-%x-%x", v.ino, v.size, v.mtime, v.ctime)
	return store.Attr{ETag: etag, Size: v.size, ModTime: mtime}
}

// directory is the ETag of a directory. One that changed this very moment may
// change again without its mtime moving, so until it has settled every look is
// another version.
func (v version) directory(now time.Time) string {
	etag := fmt.Sprintf("%x-%x", v.ino, v.mtime)
	if now.UnixNano()-v.mtime < int64(settled) {
		etag += "-" + strconv.FormatInt(now.UnixNano(), 16)
	}
	return etag
}
