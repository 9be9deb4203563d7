package dir

import (
	"fmt"
	iofs "io/fs"
	"strconv"
	"syscall"
	"time"

	"thothfs/store"
)

// settled is the minimum age at which the mtime of a directory reflects every change. Older
// kernels update file times only on timer ticks, which are less than this apart.
const settled = 20 * time.Millisecond

// describeInfo returns the attributes of a file or directory. Anything else is an error.
func describeInfo(op, key string, fi iofs.FileInfo) (store.Attr, error) {
	if !fi.Mode().IsRegular() && !fi.IsDir() {
		return store.Attr{}, invalid(op, key, errNotRegular)
	}
	st := fi.Sys().(*syscall.Stat_t)
	return attrOf(version{st.Ino, fi.Size(), st.Mtim.Nano(), st.Ctim.Nano()}, fi.IsDir()), nil
}

// version distinguishes versions of a file. It includes the ctime because cp -p and rsync set the
// mtime back; as a side effect, chmod makes a new version of the same bytes.
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

// directory returns the ETag of a directory. A recently changed directory may change again
// without a new mtime, so until it has settled every call returns a different ETag.
func (v version) directory(now time.Time) string {
	etag := fmt.Sprintf("%x-%x", v.ino, v.mtime)
	if now.UnixNano()-v.mtime < int64(settled) {
		etag += "-" + strconv.FormatInt(now.UnixNano(), 16)
	}
	return etag
}
