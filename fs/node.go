package fs

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Node is a directory, a file or a symbolic link of the tree. Dir.Lookup returns nodes; they hold
// only what identifies them, not their contents.
type Node interface {
	// ID returns the identity of the node.
	ID() FileID
	// Path returns the path from the root, without a leading slash; "" is the root.
	Path() string
	// Attr returns the attributes. The error is of kind ErrNotExist when the name under which the
	// node was looked up is gone.
	Attr(ctx context.Context) (Attr, error)
}

// Attr holds the attributes of a node.
type Attr struct {
	Mode      os.FileMode // type and permissions
	Size      int64       // in bytes
	Allocated int64       // bytes used on this machine
	BlockSize int         // preferred size of a read, in bytes
	ModTime   time.Time
	Volatile  bool // may change without an invalidation; do not cache
}

// Entry is the result of a lookup.
type Entry struct {
	Node Node // nil when the name is missing
	Attr Attr
	// TTL is how long a client may cache the name or, with an error of kind ErrNotExist, its
	// absence; 0 means not at all. See nametimeout.go.
	TTL time.Duration
}

// Dir is a directory.
type Dir interface {
	Node
	// Lookup returns the node under a name.
	Lookup(ctx context.Context, name string) (Entry, error)
	// Open waits until the directory can be listed completely. It reports whether clients may cache
	// the listing until it is invalidated.
	Open(ctx context.Context) (cacheable bool, err error)
	// List returns the current contents of the directory.
	List(ctx context.Context) (Listing, error)
}

// WritableDir is a directory whose entries can be changed. Methods that a directory does not support
// return ErrNotPermitted. A front end must call Tree.MayWrite before a method that changes entries.
type WritableDir interface {
	Dir
	Create(ctx context.Context, name string, flags OpenFlags) (Entry, Handle, error)
	Mkdir(ctx context.Context, name string) (Entry, error)
	Symlink(ctx context.Context, target, name string) (Entry, error)
	Remove(ctx context.Context, name string) error    // removes a file or link
	RemoveDir(ctx context.Context, name string) error // removes a directory
	// Rename moves a name to another name in the directory to. If noReplace is set, it fails with
	// ErrExist if the new name exists.
	Rename(ctx context.Context, name string, to Dir, newName string, noReplace bool) error
}

// fixedDir implements the WritableDir methods that a directory does not support.
type fixedDir struct{}

func (fixedDir) Create(context.Context, string, OpenFlags) (Entry, Handle, error) {
	return Entry{}, nil, ErrNotPermitted
}
func (fixedDir) Mkdir(context.Context, string) (Entry, error) { return Entry{}, ErrNotPermitted }
func (fixedDir) Symlink(context.Context, string, string) (Entry, error) {
	return Entry{}, ErrNotPermitted
}
func (fixedDir) Remove(context.Context, string) error    { return ErrReadOnly }
func (fixedDir) RemoveDir(context.Context, string) error { return ErrReadOnly }

// Renamed is a node that must be given its new name when a client renames it.
type Renamed interface{ SetName(name string) }

// Link is a symbolic link.
type Link interface {
	Node
	Target() string
}

// File is a regular file.
type File interface {
	Node
	Open(ctx context.Context, flags OpenFlags) (Handle, error)
}

// WritableFile is a file that can be written.
type WritableFile interface {
	File
	// Truncate changes the length of the file. h is an open handle on it, or nil. A front end must
	// call Tree.MayWrite first.
	Truncate(ctx context.Context, h Handle, size int64) error
	// HandleAttr returns the attributes of an open file whose name is gone.
	HandleAttr(h Handle) (Attr, bool)
}

// OpenFlags specify how a file is opened.
type OpenFlags struct {
	Write, Append, Truncate, Exclusive bool
}

// readOnly reports whether the file is opened only for reading.
func (f OpenFlags) readOnly() bool { return !f.Write && !f.Append && !f.Truncate }

// Handle is an open file.
type Handle interface {
	// Read returns up to len(p) bytes at off, fewer only at the end of the file. The bytes are in p
	// or belong to the file; the caller must call release, if not nil, when done with them.
	Read(ctx context.Context, p []byte, off int64) (data []byte, release func(), err error)
	// Seek returns the offset of the next data (SEEK_DATA) or hole (SEEK_HOLE) at or after off,
	// like lseek(2). The error is ErrNoData when there is none.
	Seek(off int64, whence int) (int64, error)
	// Close releases the handle. It commits data that was written but not committed; most front
	// ends cannot report its error.
	Close(ctx context.Context) error
}

// WriteHandle is a file that is open for writing, or whose contents are being written through
// another handle.
type WriteHandle interface {
	Handle
	Write(ctx context.Context, data []byte, off int64) error
	// Commit stores what was written. If atClose is set, a file that was created or truncated at
	// open, and not written since, is left for Close: shells close the file that they redirect to
	// before anything is written.
	Commit(ctx context.Context, atClose bool) error
	// Stat returns the size in bytes and the modification time.
	Stat() (int64, time.Time)
}

// Listing is the contents of a directory at one moment, without "." and "..", in a fixed order.
type Listing interface {
	Len() int
	At(i int) DirEntry
}

// DirEntry is an entry of a Listing.
type DirEntry struct {
	Name string
	Mode os.FileMode // type only
	Ino  uint64
}

// GrowingListing is a Listing that is still being read.
type GrowingListing interface {
	Listing
	// Grow waits until the listing grows or is complete, and reports whether it grew.
	Grow(ctx context.Context) (bool, error)
}

// NodeListing is a Listing that can return the node of an entry without a lookup.
type NodeListing interface {
	Listing
	EntryAt(i int) Entry
}

// The permissions of nodes.
const (
	modeDir    = os.ModeDir | 0o755
	modeFile   = os.FileMode(0o444)
	modeValue  = os.FileMode(0o644) // a custom property
	modeScript = os.FileMode(0o755) // an analyzer
	modeLink   = os.ModeSymlink | 0o777
)

const (
	blockSize = 4096
	// listingSize is the BlockSize of a directory: readdir(3) of glibc reads that
	// many bytes of entries at a time.
	listingSize = 256 << 10
)

// attrOf returns attributes with the defaults common to all nodes.
func attrOf(mode os.FileMode, size int64, mtime time.Time) Attr {
	if mtime.IsZero() || mtime.Unix() < 0 {
		mtime = time.Unix(0, 0)
	}
	return Attr{Mode: mode, Size: size, Allocated: size, BlockSize: blockSize, ModTime: mtime}
}

// catalogDir is a directory generated from the catalogue.
type catalogDir struct {
	placed
	t    *Tree
	path string // from the root, such as "by-cmd/node"
}

func (t *Tree) catalogDir(path string) catalogDir { return catalogDir{t: t, path: path} }

func (d *catalogDir) ID() FileID   { return dirID(d.path) }
func (d *catalogDir) Path() string { return d.path }

// below returns the path of a name in the directory.
func (d *catalogDir) below(name string) string { return d.path + "/" + name }

// Attr fails with ErrNotExist when the directory is no longer under its name.
func (d *catalogDir) Attr(ctx context.Context) (Attr, error) {
	_, _, err := d.check(ctx, d.t)
	return d.attr(), err
}

// Open waits until the whole corpus has been read, since any dump may be in the directory.
func (d *catalogDir) Open(ctx context.Context) (bool, error) {
	return true, d.t.o.Corpus.Whole(ctx)
}

func (d *catalogDir) attr() Attr {
	_, changed := d.t.lastChange()
	a := attrOf(modeDir, 0, changed)
	a.BlockSize = listingSize
	return a
}

// names is a Listing with few entries.
type names []DirEntry

func (n names) Len() int          { return len(n) }
func (n names) At(i int) DirEntry { return n[i] }

func (n *names) add(name string, mode os.FileMode, ino uint64) {
	*n = append(*n, DirEntry{Name: name, Mode: mode.Type(), Ino: ino})
}

// memoryHandle is an open file whose contents are in memory.
type memoryHandle struct{ data []byte }

// Stat returns the size; the time is unknown.
func (h *memoryHandle) Stat() (int64, time.Time) { return int64(len(h.data)), time.Time{} }

func (h *memoryHandle) Read(_ context.Context, p []byte, off int64) ([]byte, func(), error) {
	if off >= int64(len(h.data)) {
		return nil, nil, nil
	}
	return h.data[off:min(int64(len(h.data)), off+int64(len(p)))], nil, nil
}

func (h *memoryHandle) Seek(off int64, whence int) (int64, error) {
	return seekWhole(int64(len(h.data)), off, whence)
}

func (h *memoryHandle) Close(context.Context) error { return nil }

// seekWhole implements Seek for a file without holes.
func seekWhole(size, off int64, whence int) (int64, error) {
	switch {
	case off >= size:
		return 0, ErrNoData
	case whence == unix.SEEK_DATA:
		return off, nil
	case whence == unix.SEEK_HOLE:
		return size, nil
	}
	return 0, ErrInvalid
}
