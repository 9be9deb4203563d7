package fs

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
	fusefs "github.com/hanwen/go-fuse/v2/fs"

	"thothfs/dump"
)

// kind is what an inode number is made for. Two things of different kinds never
// share one, whatever their names are. The values are part of the numbers that
// users see and must not change.
type kind byte

const (
	kindDir    kind = 'd' // a directory of the tree, by its path
	kindDump   kind = 'h' // a dump's directory, by its hash
	kindObject kind = 'o' // an object of the store, by its key
	kindText   kind = 't' // a text made from the document, by hash and name
	kindAlias  kind = 'a' // a link beside the dump, by hash and name
	kindProps  kind = 'p' // properties/, by hash
	kindLink   kind = 'l' // a link to a dump, by its directory's number and hash
	kindPrefix kind = 'x' // a link under a shortened hash
	kindOwn    kind = 'c' // a file of .thothfs, by name
)

// number is the inode number of the thing of that kind that parts name. It is
// stable across mounts and machines.
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

// linkNumber is the number of the link to a dump in the directory dir: listings
// make a million of them.
func linkNumber(dir uint64, id dump.ID) uint64 {
	var b [25]byte
	b[0] = byte(kindLink)
	binary.LittleEndian.PutUint64(b[1:], dir)
	copy(b[9:], id[:])
	return usable(xxhash.Sum64(b[:]))
}

// dumpNumber is the number of a dump's directory.
func dumpNumber(id dump.ID) uint64 {
	var b [17]byte
	b[0] = byte(kindDump)
	copy(b[1:], id[:])
	return usable(xxhash.Sum64(b[:]))
}

// usable keeps clear of the numbers that FUSE and the kernel reserve.
func usable(n uint64) uint64 {
	if n < 2 || n == ^uint64(0) {
		return n ^ 1<<62
	}
	return n
}

// identity is what a node is known by. The generation, from a hash that cannot
// be aimed at, keeps two things apart whose numbers collide.
func identity(mode uint32, ino uint64, parts ...string) fusefs.StableAttr {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return fusefs.StableAttr{Mode: mode, Ino: ino, Gen: binary.LittleEndian.Uint64(h.Sum(nil))}
}
