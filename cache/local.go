package cache

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// LocalFile returns the version as a local file, to be read by the kernel without
// us, if it is complete and its content was compared with the MD5 expected of it
// (see [File.Expect]), or with its checksums where none is. It does not wait, and
// costs little when the answer is no.
//
// Until release is called the file is pinned: no process evicts, truncates or
// punches it. The file is read-only and release closes it, so whoever has handed it
// to the kernel takes it back first. It may outlive the handle and the cache.
func (f *File) LocalFile() (file *os.File, release func(), ok bool) {
	o := f.o
	f.mu.Lock()
	closed := f.closed
	f.mu.Unlock()
	if closed || !o.plausible() || !o.c.disk.health.mayRead() {
		return nil, nil, false
	}
	p, err := o.pin()
	if err != nil {
		return nil, nil, false
	}
	o.c.n.pinned.Add(1)
	var once sync.Once
	return p.data, func() {
		once.Do(func() {
			p.close()
			o.c.n.pinned.Add(-1)
		})
	}, true
}

// pin opens o's files under shared locks on both, and checks only then that they
// are what they should be. The lock on the map file keeps others from starting the
// pair anew, the one on the data file keeps evictors off.
func (o *object) pin() (*pair, error) {
	path := o.c.disk.pairs.path(o.name())
	records, err := os.OpenFile(path+".map", os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	p := &pair{records: records, fault: o.c.disk.pairs.fault}
	p.data, err = os.OpenFile(path+".data", os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		records.Close()
		return nil, err
	}
	if err := o.pinned(p, path); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (o *object) pinned(p *pair, path string) error {
	for _, f := range []*os.File{p.records, p.data} {
		if !flock(f, unix.LOCK_SH) || !isAt(f, path+filepath.Ext(f.Name())) {
			return errBusy
		}
	}
	if !p.owned(&o.version) {
		return errForeign
	}
	sum, sealed := p.seal(&o.version, o.c.boot)
	if want := o.expected.Load(); !sealed || want != nil && *want != sum {
		return errUnsealed
	}
	st, err := p.data.Stat()
	if err != nil || st.Size() != o.size {
		return errForeign
	}
	return o.full(p)
}

// full returns an error unless p has all blocks. The records of a large version take
// milliseconds to go through, so it remembers a map file that had them all.
func (o *object) full(p *pair) error {
	before, old := stampOf(p.records)
	if seen, ok := o.c.wholes.Get(o.id); ok && seen == before {
		return nil
	}
	if n, err := p.lacking(&o.version); err != nil || n > 0 {
		return fmt.Errorf("%d bytes are absent: %w", n, errUnsealed)
	}
	if old {
		o.c.wholes.Add(o.id, before)
	}
	return nil
}

// maxWholes bounds the map files that are remembered.
const maxWholes = 1024

// stamp tells a file from what it is after it was written to.
type stamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
}

// settled is how old the last change of a file must be for the next one to have another
// time; the clocks of file systems tick slowly.
const settled = 2 * time.Second

// stampOf returns f's stamp, and whether the next change will have another.
func stampOf(f *os.File) (stamp, bool) {
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil {
		return stamp{}, false
	}
	return stamp{uint64(st.Dev), st.Ino, st.Size, st.Mtim, st.Ctim}, time.Since(time.Unix(st.Ctim.Unix())) > settled
}
