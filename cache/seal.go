package cache

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"os"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// The last 32 bytes of the map file's header seal a version that was complete and
// whose content was read from end to end: XXH64 of version and what follows, the
// MD5 of the content, and the boot of the machine.
//
// A sealed file is handed to the kernel, which verifies nothing. So a seal counts
// only until the machine is started anew: what was written before a power cut may
// be lost, record or data, and is read once more from end to end. Until then data
// that has been written is there for every process, however the writer ended. A
// seal does not say that the blocks are still there: the records do.
const sealOffset = headerSize - 32

type digest = [md5.Size]byte

// bootID tells this start of the machine from all others; where that cannot be
// known, this process.
func bootID() uint64 {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		b = []byte(rand.Text())
	}
	return xxhash.Sum64(b)
}

func (v *version) sealed(sum digest, boot uint64) []byte {
	b := make([]byte, headerSize-sealOffset)
	copy(b[8:], sum[:])
	binary.LittleEndian.PutUint64(b[24:], boot)
	binary.LittleEndian.PutUint64(b, xxhash.Sum64(append(b[8:32:32], v.id[:]...))^v.seed)
	return b
}

// seal returns the MD5 that the version was sealed with since the machine was
// started, or false.
func (p *pair) seal(v *version, boot uint64) (sum digest, ok bool) {
	b := make([]byte, headerSize-sealOffset)
	if n, _ := p.records.ReadAt(b, sealOffset); n < len(b) {
		return sum, false
	}
	copy(sum[:], b[8:])
	return sum, string(b) == string(v.sealed(sum, boot))
}

func (p *pair) putSeal(v *version, sum digest, boot uint64) error {
	_, err := p.records.WriteAt(v.sealed(sum, boot), sealOffset)
	return err
}

// lacking returns how many bytes are in blocks that are not there in full.
func (p *pair) lacking(v *version) (n int64, err error) {
	for first := int64(0); first < v.blocks() && err == nil; first += scanned {
		err = p.missing(v, first, min(scanned, v.blocks()-first), func(b int64) { n += v.length(b) })
	}
	return n, err
}

// scanned is how many records are looked at together.
const scanned = 1024

// discard forgets what is held. The files go, and are made anew: a mapping of the
// data, from a time when it was handed out, keeps what it has.
func (p *pair) discard() {
	path := strings.TrimSuffix(p.data.Name(), ".data")
	if isAt(p.records, path+".map") {
		unlinkSealed(p.records, path)
	}
}
