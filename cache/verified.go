package cache

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"os"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
)

// The last 56 bytes of the map file's header seal a version that was complete and
// whose data file was read from end to end: XXH64 of version and what follows, the
// MD5 of the content, the boot of the machine, XXH64 of the data file's state, when
// that was compared with the content, in Unix seconds, and 8 bytes of zeros.
//
// A sealed file is handed to the kernel, which verifies nothing. So a seal is bound
// to one state of one file (see fileState): a write, a truncation, a rename over it
// or a copy restored from elsewhere ends it, and so does a restart of the machine.
// What has no seal is read block by block, each compared with its checksums, and is
// sealed again after an audit.
const markOffset = headerSize - 56

type digest = [md5.Size]byte

// seal is what the header says of a complete version.
type verifiedMark struct {
	sum     digest // of the content
	boot    uint64
	file    uint64 // hash of the data file's state
	checked int64  // Unix seconds of the audit
}

// auditEvery is how old an audit may be before a session repeats it in the
// background: a write to the raw device, or a disk that forgets, leaves no trace in
// the state of a file.
const auditEvery = 24 * time.Hour

// bootID tells this start of the machine from all others; where that cannot be
// known, this process.
func bootID() uint64 {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		b = []byte(rand.Text())
	}
	return xxhash.Sum64(b)
}

func (v *version) encodeMark(s verifiedMark) []byte {
	b := make([]byte, headerSize-markOffset)
	copy(b[8:], s.sum[:])
	binary.LittleEndian.PutUint64(b[24:], s.boot)
	binary.LittleEndian.PutUint64(b[32:], s.file)
	binary.LittleEndian.PutUint64(b[40:], uint64(s.checked))
	binary.LittleEndian.PutUint64(b, xxhash.Sum64(append(b[8:len(b):len(b)], v.id[:]...))^v.seed)
	return b
}

// seal returns the seal in the header, whatever state it is bound to, or false.
func (p *blockFile) verifiedMark(v *version) (s verifiedMark, ok bool) {
	b := make([]byte, headerSize-markOffset)
	if n, _ := p.blockMap.ReadAt(b, markOffset); n < len(b) {
		return s, false
	}
	copy(s.sum[:], b[8:])
	s.boot = binary.LittleEndian.Uint64(b[24:])
	s.file = binary.LittleEndian.Uint64(b[32:])
	s.checked = int64(binary.LittleEndian.Uint64(b[40:]))
	return s, string(b) == string(v.encodeMark(s))
}

func (p *blockFile) writeMark(v *version, s verifiedMark) error {
	_, err := p.blockMap.WriteAt(v.encodeMark(s), markOffset)
	return err
}

// holds reports whether the seal was made since the machine was started, and for the
// state in which the data file is now.
func (s verifiedMark) valid(p *blockFile, boot uint64) bool {
	now, err := stateOf(p.data)
	return err == nil && s.boot == boot && s.file == now.hash()
}

// due reports whether the file is to be audited again although the seal holds.
func (s verifiedMark) auditDue() bool {
	age := time.Since(time.Unix(s.checked, 0))
	return age < 0 || age > auditEvery
}

// lacking returns how many bytes are in blocks that are not there in full.
func (p *blockFile) missingBytes(v *version) (n int64, err error) {
	for first := int64(0); first < v.blocks() && err == nil; first += recordBatch {
		err = p.missingBlocks(v, first, min(recordBatch, v.blocks()-first), func(b int64) { n += v.length(b) })
	}
	return n, err
}

// scanned is how many records are looked at together.
const recordBatch = 1024

// discard forgets what is held. The files go, and are made anew: a mapping of the
// data, from a time when it was handed out, keeps what it has.
func (p *blockFile) discard() {
	path := strings.TrimSuffix(p.data.Name(), ".data")
	if isAt(p.blockMap, path+".map") {
		unlinkVerified(p.blockMap, path)
	}
}
