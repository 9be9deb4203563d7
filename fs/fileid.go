package fs

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"path"
	"strings"

	"github.com/cespare/xxhash/v2"

	"thothfs/corpus/catalog"
	"thothfs/dump"
)

// kind is the namespace of an inode number. Nodes of different kinds never share a number, whatever
// their names are. The values affect the inode numbers and must not change.
type kind byte

const (
	kindDir    kind = 'd' // a directory of the tree, by path
	kindDump   kind = 'h' // the directory of a dump, by hash
	kindObject kind = 'o' // an object in the store, by key
	kindText   kind = 't' // a file generated from the document or the dump, by hash and name
	kindAlias  kind = 'a' // a link beside the dump, by hash and name
	kindProps  kind = 'p' // properties/, by hash
	kindLink   kind = 'l' // a link to a dump, by the inode number of its directory and hash
	kindPrefix kind = 'x' // a link under a shortened hash
	kindOwn    kind = 'c' // a file of .thothfs, by name
)

// FileID identifies a node by what it shows. It survives a restart: [Tree.Node] finds the node for
// an encoded FileID, and inode numbers are derived from it.
type FileID struct {
	kind    kind
	dump    dump.ID // the dump whose directory the node is, is in, or links to
	dir     string  // path (kindDir), path of the directory (kindLink), or "properties" (kindText)
	name    string  // name in the directory or, for kindObject, the store; kindLink: "" for a full hash
	version string  // distinguishes nodes at the same path: an ETag, or the target of a link
}

func dirID(path string) FileID { return FileID{kind: kindDir, dir: path} }

// Ino returns the inode number. It is the same on all mounts and machines.
func (id FileID) Ino() uint64 {
	hash := id.dump.String()
	switch id.kind {
	case kindDir:
		return number(kindDir, id.dir)
	case kindDump:
		return dumpNumber(id.dump)
	case kindLink:
		return linkNumber(number(kindDir, id.dir), id.dump)
	case kindObject:
		return number(kindObject, id.key())
	case kindPrefix:
		return number(kindPrefix, hashDirName, id.name)
	case kindOwn:
		return number(kindOwn, id.name)
	}
	if id.dir != "" {
		return number(id.kind, hash, id.dir, id.name)
	}
	return number(id.kind, hash, id.name)
}

// key returns the key of an object in the store.
func (id FileID) key() string {
	if id.dump == (dump.ID{}) {
		return analyzersName + "/" + id.name
	}
	return id.dump.String() + "/" + id.name
}

// Generation returns a number that distinguishes nodes with the same inode number. It is taken from
// a cryptographic hash so that collisions cannot be constructed.
func (id FileID) Generation() uint64 {
	h := sha256.New()
	h.Write([]byte{byte(id.kind)})
	h.Write(id.dump[:])
	for _, s := range []string{id.dir, id.name, id.version} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return binary.LittleEndian.Uint64(h.Sum(nil))
}

// MaxFileID is the maximum size of an encoded FileID in bytes, that of an NFSv3 file handle.
const MaxFileID = 64

// errBadFileID is the error for bytes that were not returned by Encode.
var errBadFileID = errors.New("malformed file ID")

// Encode returns the FileID as at most [MaxFileID] bytes: kind, dump, and the names, or a hash of
// the names if they are too long. It omits the version, so the bytes always lead to the current
// node.
func (id FileID) Encode() []byte {
	b := append([]byte{byte(id.kind)}, id.dump[:]...)
	names := id.dir + "\x00" + id.name
	if len(b)+len(names) <= MaxFileID {
		return append(b, names...)
	}
	b[0] |= hashedNames
	sum := sha256.Sum256([]byte(names))
	return append(b, sum[:]...)
}

// hashedNames is the bit of the kind that indicates that the names are hashed.
const hashedNames = 0x80

// decodeFileID is the inverse of Encode. hashed reports that the names are unknown because they
// were hashed.
func decodeFileID(b []byte) (id FileID, hashed bool, err error) {
	const head = 1 + len(id.dump)
	if len(b) < head || len(b) > MaxFileID {
		return id, false, errBadFileID
	}
	id.kind, hashed = kind(b[0]&^hashedNames), b[0]&hashedNames != 0
	copy(id.dump[:], b[1:head])
	if hashed {
		return id, true, nil
	}
	var ok bool
	if id.dir, id.name, ok = strings.Cut(string(b[head:]), "\x00"); !ok {
		return id, false, errBadFileID
	}
	return id, false, nil
}

// path returns the path of the node from the root.
func (id FileID) path() string {
	switch inDump := hashDirName + "/" + id.dump.String(); id.kind {
	case kindDir:
		return id.dir
	case kindDump:
		return inDump
	case kindLink:
		return id.dir + "/" + cmp.Or(id.name, id.dump.String())
	case kindPrefix:
		return hashDirName + "/" + id.name
	case kindOwn:
		return ControlDir + "/" + id.name
	case kindObject:
		if id.dump == (dump.ID{}) {
			return analyzersName + "/" + FileName(id.name)
		}
		return inDump + "/" + FileName(id.name)
	default:
		if id.dir != "" {
			return inDump + "/" + id.dir + "/" + id.name
		}
		return inDump + "/" + id.name
	}
}

// Node returns the node for an encoded FileID, even one from before a restart. The error is of kind
// ErrNotExist if the node no longer exists.
func (t *Tree) Node(ctx context.Context, encoded []byte) (Node, error) {
	id, hashed, err := decodeFileID(encoded)
	if err != nil {
		return nil, err
	}
	if !hashed {
		return t.Walk(ctx, id.path())
	}
	var dirs []string
	switch id.kind {
	case kindDir, kindLink:
		for _, f := range catalog.Fields {
			if f.View != "" {
				dirs = append(dirs, f.View)
			}
		}
	case kindText:
		dirs = []string{id.path() + propertiesName}
	default:
		dirs = []string{path.Dir(id.path())}
	}
	for _, dir := range dirs {
		n, err := t.search(ctx, dir, id, encoded)
		if err != nil || n != nil {
			return n, err
		}
	}
	return nil, notThere(id.path())
}

// search looks for the node of an encoded FileID in a directory or, if it is a link to a dump, in
// the views in the directory. id is the FileID without the names, which are hashed.
func (t *Tree) search(ctx context.Context, dir string, id FileID, encoded []byte) (Node, error) {
	n, err := t.Walk(ctx, dir)
	if err != nil {
		return nil, err
	}
	l, err := n.(Dir).List(ctx)
	if err != nil {
		return nil, err
	}
	for i := range l.Len() {
		switch name := l.At(i).Name; id.kind {
		case kindDir, kindLink:
			id.dir = dir + "/" + name
		case kindObject:
			id.name = objectOf(name)
		case kindText:
			id.dir, id.name = propertiesName, name
		}
		if bytes.Equal(id.Encode(), encoded) {
			return t.Walk(ctx, id.path())
		}
	}
	return nil, nil
}

// Walk returns the node at a path from the root.
func (t *Tree) Walk(ctx context.Context, path string) (Node, error) {
	n := Node(t.root)
	for name := range strings.SplitSeq(path, "/") {
		if name == "" {
			continue
		}
		d, ok := n.(Dir)
		if !ok {
			return nil, notThere(path)
		}
		e, err := d.Lookup(ctx, name)
		if err != nil {
			return nil, err
		}
		n = e.Node
	}
	return n, nil
}

// number returns the inode number of the node of kind k identified by parts.
func number(k kind, parts ...string) uint64 {
	var d xxhash.Digest
	d.Reset()
	d.Write([]byte{byte(k)})
	for _, p := range parts {
		d.WriteString(p)
		d.Write([]byte{0})
	}
	return usable(d.Sum64())
}

// linkNumber returns the inode number of the link to a dump in the directory with inode number dir.
// It is optimized because listings may contain a million links.
func linkNumber(dir uint64, id dump.ID) uint64 {
	var b [25]byte
	b[0] = byte(kindLink)
	binary.LittleEndian.PutUint64(b[1:], dir)
	copy(b[9:], id[:])
	return usable(xxhash.Sum64(b[:]))
}

// dumpNumber returns the inode number of a dump's directory.
func dumpNumber(id dump.ID) uint64 {
	var b [17]byte
	b[0] = byte(kindDump)
	copy(b[1:], id[:])
	return usable(xxhash.Sum64(b[:]))
}

// usable maps n to a number not reserved by FUSE or the kernel.
func usable(n uint64) uint64 {
	if n < 2 || n == ^uint64(0) {
		return n ^ 1<<62
	}
	return n
}
