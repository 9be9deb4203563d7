package mantatest

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"thothfs/internal/atomicfile"
)

const (
	reserved = ".manta"       // prefix of names that belong to the server itself
	hashed   = reserved + "-" // prefix of the hash that replaces a name that the file system cannot hold
	longest  = 240            // length in bytes of the longest name that is not replaced
	plainMD5 = int64(1) << 20 // size in bytes of the largest plain file that gets an MD5
	version0 = "plain-file:%d:%d:%d"
)

// record holds the metadata of an object or directory.
type record struct {
	Name        string            `json:"name"`
	Dir         bool              `json:"dir,omitempty"`
	ETag        string            `json:"etag,omitempty"`
	Size        int64             `json:"size,omitempty"`
	MD5         string            `json:"md5,omitempty"` // base64; "" means unknown
	ContentType string            `json:"contentType,omitempty"`
	Durability  int               `json:"durability,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"` // lower-case names
	MTime       time.Time         `json:"mtime"`

	// The file that the record belongs to.
	Inode   uint64 `json:"inode,omitempty"`
	FileNS  int64  `json:"fileNS,omitempty"`
	virtual bool   // a root that has not been created
}

// lastModified returns the time for headers, which have a resolution of one second.
func (r *record) lastModified() time.Time { return r.MTime.Truncate(time.Second) }

// diskName returns the name of the file or directory on disk for name.
func diskName(name string) string {
	if name == "." || name == ".." || len(name) > longest || strings.HasPrefix(name, reserved) {
		sum := sha256.Sum256([]byte(name))
		return hashed + hex.EncodeToString(sum[:16])
	}
	return name
}

// newUUID returns a random version 4 UUID.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return formatUUID(b)
}

func formatUUID(b [16]byte) string {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// inode returns the inode number of the file fi.
func inode(fi iofs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}

// tie makes r the record of the file fi.
func (r *record) tie(fi iofs.FileInfo) {
	r.Inode, r.FileNS, r.Size = inode(fi), fi.ModTime().UnixNano(), fi.Size()
}

// of reports whether r is the record of fi.
func (r *record) of(fi iofs.FileInfo) bool {
	if r.Dir || fi.IsDir() {
		return r.Dir == fi.IsDir()
	}
	return r.Inode == inode(fi) && r.FileNS == fi.ModTime().UnixNano() && r.Size == fi.Size()
}

// copies returns the number of copies of an object; an empty object has none.
func (r *record) copies() int {
	if r.Size == 0 {
		return 0
	}
	return r.Durability
}

// plainRecord returns the record of a file or directory that was not created through the server.
// Its ETag depends only on the file.
func plainRecord(name, disk string, fi iofs.FileInfo) *record {
	r := &record{Name: name, Dir: fi.IsDir(), MTime: fi.ModTime().UTC().Truncate(time.Millisecond)}
	if r.Dir {
		return r
	}
	r.tie(fi)
	sum := sha256.Sum256(fmt.Appendf(nil, version0, r.Inode, r.FileNS, r.Size))
	r.ETag = formatUUID([16]byte(sum[:16]))
	r.ContentType = typeByExtension(filepath.Ext(name))
	r.Durability = defaultDurability
	if r.Size <= plainMD5 {
		r.MD5 = fileMD5(disk)
	}
	return r
}

// fileMD5 returns the MD5 of the file at disk, or "" if it cannot be read.
func fileMD5(disk string) string {
	f, err := os.Open(disk)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := md5.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// recordFile returns the path where the record of the file disk is stored.
func (t *tree) recordFile(disk string) string {
	rel := strings.TrimPrefix(disk, t.root)
	sum := sha256.Sum256([]byte(rel))
	name := hex.EncodeToString(sum[:])
	return filepath.Join(t.root, reserved, "records", name[:2], name[2:]+".json")
}

// readRecord returns the stored record of the file disk, or nil.
func (t *tree) readRecord(disk string) *record {
	b, err := os.ReadFile(t.recordFile(disk))
	if err != nil {
		return nil
	}
	r := new(record)
	if json.Unmarshal(b, r) != nil {
		return nil
	}
	return r
}

// writeRecord stores r as the record of the file disk.
func (t *tree) writeRecord(disk string, r *record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	name := t.recordFile(disk)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return atomicfile.WriteFile(name, b)
}
