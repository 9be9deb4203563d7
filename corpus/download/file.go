package download

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"thothfs/internal/atomicfile"
	"thothfs/internal/filelock"
	"thothfs/internal/sparsefile"
	"thothfs/internal/withctx"
)

var (
	// ErrBusy means that another process copies the same object to the same directory.
	ErrBusy = errors.New("another process is fetching this dump into the same directory")
	// ErrForeign means that the name of the unfinished copy is taken by something that is not ours.
	ErrForeign = errors.New("this is not an unfinished copy of this user")
)

// PartialPrefix begins the names of unfinished copies and of the records beside them.
const PartialPrefix = ".thothfs-get-"

// maxRecord is more than a record has: a key has at most a few KiB.
const maxRecord = 64 << 10

// ToFile copies the object to the file at path, with mode 0600. If the file exists, the error matches
// fs.ErrExist unless replace is set.
//
// Until the copy is complete and verified it has a private name beginning with PartialPrefix in the
// same directory. After an error, or if the process is killed, the next ToFile of the same version to
// a file in that directory continues it; kept is the number of bytes that can be used then. What does
// not match MD5 or Verify is removed, and the error is store.ErrCorrupt or that of Verify.
func ToFile(ctx context.Context, src *Source, path string, replace bool, progress Progress) (kept int64, err error) {
	if !replace {
		if _, err := os.Lstat(path); err == nil {
			return 0, &os.PathError{Op: "create", Path: path, Err: iofs.ErrExist}
		}
	}
	p, err := openPartial(src, filepath.Dir(path))
	if err != nil {
		return 0, err
	}
	defer p.Close()
	err = p.complete(ctx, src, progress)
	if errors.Is(err, errContinued) { // the beginning may have been spoiled meanwhile
		err = p.complete(ctx, src, progress)
	}
	if err == nil {
		err = p.publish(path, replace)
	}
	if err != nil {
		return p.size, err
	}
	return 0, nil
}

// errContinued means that a copy that was continued does not have the content that it should have.
var errContinued = errors.New("the continued copy differs")

// partial is an unfinished copy. It always holds a beginning of the object.
type partial struct {
	*os.File
	size int64 // bytes that are there
}

// identity is the record beside an unfinished copy. It identifies the object version that is copied.
type identity struct {
	Key  string `json:"key"`
	ETag string `json:"etag"`
	Size int64  `json:"size"`
	MD5  string `json:"md5,omitempty"`
	Data string `json:"sha256,omitempty"` // Source.DataSum
	// Boot is the boot of the machine, if there is no checksum by which to notice what a crash of the
	// machine has spoiled.
	Boot string `json:"boot,omitempty"`
}

func (s *Source) identity() identity {
	id := identity{Key: s.Ref.Key, ETag: s.Ref.ETag, Size: s.Size, MD5: fmt.Sprintf("%x", s.MD5), Data: fmt.Sprintf("%x", s.DataSum)}
	if s.MD5 == nil && s.DataSum == nil {
		boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
		id.Boot = strings.TrimSpace(string(boot))
	}
	return id
}

// openPartial opens and locks the unfinished copy of src in dir. It empties one of another version.
func openPartial(src *Source, dir string) (*partial, error) {
	sum := sha256.Sum256([]byte(src.Ref.Key))
	path := filepath.Join(dir, fmt.Sprintf("%s%x", PartialPrefix, sum[:8]))
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
		if err != nil {
			return nil, err
		}
		p := &partial{File: f}
		switch current, err := p.lock(); {
		case err != nil:
			f.Close()
			return nil, err
		case !current:
			f.Close()
		default:
			if err := p.begin(src.identity()); err != nil {
				f.Close()
				return nil, err
			}
			return p, nil
		}
	}
}

// lock locks the file. It reports whether the name still leads to it: another process may just have
// completed it.
func (p *partial) lock() (current bool, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(p.Fd()), &st); err != nil {
		return false, err
	}
	if !isOwn(&st) {
		return false, fmt.Errorf("%s: %w; remove it", p.Name(), ErrForeign)
	}
	if err := filelock.TryLock(p.File, filelock.Exclusive); errors.Is(err, filelock.ErrLocked) {
		return false, ErrBusy
	} // file systems without locks return another error
	opened, err := p.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Lstat(p.Name())
	return err == nil && os.SameFile(opened, named), nil
}

// isOwn reports whether a file is a regular one of this user that has no second name.
func isOwn(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFREG && int(st.Uid) == os.Geteuid() && st.Nlink == 1
}

// begin determines how much of the object is there.
func (p *partial) begin(id identity) error {
	if is, err := p.readRecord(); err == nil && is == id {
		if fi, err := p.Stat(); err != nil {
			return err
		} else if fi.Size() <= id.Size {
			p.size = fi.Size()
			return nil
		}
	}
	if err := p.empty(); err != nil {
		return err
	}
	record, err := json.Marshal(id)
	if err != nil {
		return err
	}
	return atomicfile.WriteFile(p.record(), append(record, '\n'))
}

func (p *partial) record() string { return p.Name() + ".json" }

// readRecord reads the record beside the copy. Another user may have put a link or a FIFO there, since the
// name can be predicted.
func (p *partial) readRecord() (id identity, err error) {
	f, err := os.OpenFile(p.record(), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return id, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return id, err
	}
	if !isOwn(&st) {
		return id, fmt.Errorf("%s: %w", f.Name(), ErrForeign)
	}
	record, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return id, err
	}
	return id, json.Unmarshal(record, &id)
}

func (p *partial) empty() error {
	p.size = 0
	return p.Truncate(0)
}

// complete fetches what is missing and verifies the copy. If a copy that was continued turns out to be
// wrong, it is emptied and the error is errContinued.
func (p *partial) complete(ctx context.Context, src *Source, progress Progress) error {
	had, sum := p.size, src.newSum()
	if err := p.readTo(ctx, src, sum); err != nil {
		return err
	}
	if progress != nil && had > 0 {
		progress(had, src.Size)
	}
	if err := src.copy(ctx, had, progress, p, sum); err != nil {
		return err
	}
	err := sum.compare(src)
	if sum.Hash == nil && src.Verify != nil {
		err = src.Verify(p, src.Size)
	}
	if err == nil {
		return p.Sync()
	}
	if had > 0 {
		return errors.Join(errContinued, p.empty())
	}
	p.remove()
	return err
}

// readTo adds what is there to the checksum.
func (p *partial) readTo(ctx context.Context, src *Source, sum *checksum) error {
	if sum.Hash == nil {
		return nil
	}
	parts := []Range{{0, p.size}}
	if sum.dataOnly && src.Data != nil {
		parts = src.Data
	}
	for _, r := range parts {
		if r.Off >= p.size {
			break
		}
		if _, err := io.Copy(sum, withctx.Reader(ctx, io.NewSectionReader(p, r.Off, min(r.Len, p.size-r.Off)))); err != nil {
			return err
		}
	}
	return nil
}

// zeros makes a hole.
func (p *partial) zeros(n, off int64) error {
	if err := p.Truncate(off + n); err != nil {
		return err
	}
	p.size = off + n
	return nil
}

// write appends a piece. The file gets its new size last, so that it is a beginning of the object even
// if the process is killed.
func (p *partial) write(data []byte, off int64) error {
	end := off + int64(len(data))
	if err := sparsefile.WriteAt(p, data, off); err != nil {
		return err
	}
	if err := p.Truncate(end); err != nil {
		return err
	}
	p.size = end
	return nil
}

// publish gives the copy its final name.
func (p *partial) publish(path string, replace bool) error {
	flags := uint(unix.RENAME_NOREPLACE)
	if replace {
		flags = 0
	}
	err := unix.Renameat2(unix.AT_FDCWD, p.Name(), unix.AT_FDCWD, path, flags)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // not every file system can refuse to replace
		if _, err = os.Lstat(path); err == nil {
			err = iofs.ErrExist
		} else {
			err = os.Rename(p.Name(), path)
		}
	}
	if err != nil {
		return &os.PathError{Op: "create", Path: path, Err: err}
	}
	os.Remove(p.record())
	return nil
}

// remove removes the copy.
func (p *partial) remove() {
	p.size = 0
	os.Remove(p.Name())
	os.Remove(p.record())
}
