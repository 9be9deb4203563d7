package cache

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// clock punches blocks out of a file in use: its hand goes round the blocks,
// spares those read since it last passed (as far as this process knows) and
// takes the others.
type clockSweeper struct {
	data, blockMap *os.File
	size, block    int64
	object         *object // nil: open in other processes only
}

// freeUsed frees up to want bytes of the pair at path, and returns how many.
// A pair whose data file somebody has locked is pinned: it is left whole. One that
// is sealed goes as a whole, or rather its names do (see unlinkSealed).
func (e *evictor) evictInUse(f cachedFile, want int64) int64 {
	path := f.path
	c, err := openSweeper(path)
	if err != nil {
		return 0
	}
	defer c.data.Close()
	defer c.blockMap.Close()
	if !flock(c.data, unix.LOCK_EX) {
		return 0
	}
	name := filepath.Base(path)
	c.object = e.lookup(name, c.size)
	if c.sealed() {
		if !unlinkVerified(c.blockMap, path) {
			return 0
		}
		if c.object != nil {
			c.object.c.disk.files.drop(c.object)
		}
		delete(e.hands, path)
		e.n.filesEvicted.Add(1)
		return f.size
	}
	blocks := (c.size + c.block - 1) / c.block
	hand, freed := e.hands[path], int64(0)
	for turned := int64(0); turned < 2*blocks && freed < want; {
		if hand >= blocks {
			hand = 0
		}
		n := min(64, blocks-hand)
		n, bytes, err := c.sweep(hand, n, want-freed)
		e.n.blocksEvicted.Add((bytes + c.block - 1) / c.block)
		hand, turned, freed = hand+n, turned+n, freed+bytes
		if err != nil {
			break
		}
	}
	e.hands[path] = hand
	return freed
}

func openSweeper(path string) (*clockSweeper, error) {
	records, err := os.OpenFile(path+".map", os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	c := &clockSweeper{blockMap: records}
	h := make([]byte, headerFixed)
	_, err = records.ReadAt(h, 0)
	ok := false
	if c.size, c.block, ok = parseHeader(h); err == nil && !ok {
		err = errForeign
	}
	if err == nil {
		err = checkFile(records)
	}
	if err == nil {
		c.data, err = os.OpenFile(path+".data", os.O_RDWR|unix.O_NOFOLLOW, 0)
	}
	if err == nil {
		if err = checkFile(c.data); err != nil {
			c.data.Close()
		}
	}
	if err != nil {
		records.Close()
		return nil, err
	}
	return c, nil
}

// sealed reports whether the pair may have been handed out as a local file, by
// whatever boot of the machine.
func (c *clockSweeper) sealed() bool {
	b := make([]byte, headerSize-markOffset)
	n, _ := c.blockMap.ReadAt(b, markOffset)
	return n == len(b) && string(b) != string(make([]byte, len(b)))
}

// sweep passes over n blocks from first, or fewer when want bytes are freed. It
// returns how many it passed and how many bytes it freed.
func (c *clockSweeper) sweep(first, n, want int64) (passed, freed int64, err error) {
	size := recordSize(c.block)
	recs := make([]byte, n*size)
	got, _ := c.blockMap.ReadAt(recs, recordOffset(c.block, first))
	clear(recs[got:])
	run := int64(0) // blocks before passed to be punched together
	for ; passed < n && freed+run*c.block < want; passed++ {
		state := recs[passed*size+stateOffset]
		if (state == statePresent || state == statePartial) && !c.object.clearRead(first+passed) {
			run++
			continue
		}
		if err := c.punchBlocks(first+passed-run, run); err != nil {
			return passed, freed, err
		}
		freed += run * c.block
		run = 0
	}
	if err := c.punchBlocks(first+passed-run, run); err != nil {
		return passed, freed, err
	}
	return passed, freed + run*c.block, nil
}

// release clears the records of n blocks, then punches them. A reader who has
// seen the record, and not yet the data, finds that the sums do not hold.
func (c *clockSweeper) punchBlocks(first, n int64) error {
	if n == 0 {
		return nil
	}
	if _, err := c.blockMap.WriteAt(make([]byte, n*recordSize(c.block)), recordOffset(c.block, first)); err != nil {
		return err
	}
	return punch(c.data, first*c.block, n*c.block)
}
