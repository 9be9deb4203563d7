package dir

import (
	"context"
	"path"

	"golang.org/x/sys/unix"
)

// probeSize is the number of bytes that must fit on the disk for it not to count as full. It is
// more than the size of nearly all documents.
const probeSize = 64 << 10

// Probe implements store.Prober. It writes a temporary file as Put does and removes it,
// because statfs(2) ignores quotas. It does not sync.
func (s *Store) Probe(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name, err := existing("put", dir)
	if err != nil {
		return err
	}
	if err := s.probeDir(name); err != nil {
		return failure("put", dir, err)
	}
	return failure("put", dir, s.probeDisk())
}

// probeDir checks whether entries can be created in a directory, or in its nearest existing
// parent.
func (s *Store) probeDir(name string) error {
	d, err := s.openDir(name)
	if isAbsent(err) && name != "." {
		return s.probeDir(path.Dir(name))
	}
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.Faccessat(int(d.Fd()), ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}

func (s *Store) probeDisk() error {
	t, err := s.newTemp()
	if err != nil {
		return err
	}
	defer t.discard()
	_, err = t.f.WriteAt(make([]byte, probeSize), 0)
	return err
}
