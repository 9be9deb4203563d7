package dir

import (
	"context"
	"path"

	"golang.org/x/sys/unix"
)

// probeSize is how many bytes must fit on the disk for it to count as not full: more than
// nearly all documents have.
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

// probeDir checks whether names can be made in a directory, or in its nearest existing parent.
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
