package fusefs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"thothfs/internal/withctx"
)

// Server is a mount that is being served.
type Server struct {
	mountpoint string
	device     int // minor number; 0 if unknown
	b          *bridge
	kernel     *fuse.Server
	served     chan struct{} // closed when the serving loop has ended
}

// BusyError is the error of an Unmount that had to abort the mount because processes kept using it.
type BusyError struct {
	Mountpoint string
	Holders    []Holder
}

func (e *BusyError) Error() string {
	return e.Mountpoint + " was in use: cut off " + holderList(e.Holders)
}

func holderList(holders []Holder) string {
	if len(holders) == 0 {
		return "processes that cannot be seen from here"
	}
	var list []string
	for _, h := range holders {
		list = append(list, fmt.Sprintf("%d %q (%s)", h.PID, h.Name, h.What))
	}
	return strings.Join(list, ", ")
}

// newServer serves a mount that has been made in the kernel, and waits until it responds.
func newServer(mountpoint string, b *bridge, kernel *fuse.Server) (*Server, error) {
	s := &Server{mountpoint: mountpoint, b: b, kernel: kernel, served: make(chan struct{})}
	unsubscribe := b.tree.Subscribe(b.invalidate)
	b.nodes.root = b.root.EmbeddedInode()
	unmounted := make(chan struct{})
	go b.nodes.run(unmounted) // ends with the serving loop
	go func() {               // ends when the file system is unmounted and its last file is closed
		kernel.Serve()
		unsubscribe()
		b.tree.Close()
		close(unmounted)
		close(s.served)
	}()
	if err := kernel.WaitMount(); err != nil {
		return nil, errors.Join(err, Detach(mountpoint))
	}
	b.passthrough.probe(kernel, b.wantsPassthrough() && kernel.KernelSettings().Flags64()&fuse.CAP_PASSTHROUGH != 0, b.log())
	if m, err := mountAt(mountpoint); err == nil && m != nil {
		s.device = m.Minor
	}
	return s, nil
}

// Mountpoint returns the absolute path of the mountpoint.
func (s *Server) Mountpoint() string { return s.mountpoint }

// Wait waits until the file system has been unmounted, by this process or another, and the last
// file on it is closed.
func (s *Server) Wait() { <-s.served }

// Unmount unmounts the file system and waits as Wait does. If the file system is in use, it is
// detached from its mountpoint and the processes that use it are logged; they can continue until
// ctx ends. Then it is aborted, and the error is a *BusyError. Unmounting twice is not an error.
func (s *Server) Unmount(ctx context.Context) error {
	select {
	case <-s.served:
		return nil
	default:
	}
	err := s.tryUnmount(ctx)
	var holders []Holder
	if errors.Is(err, unix.EBUSY) {
		holders = Holders(s.mountpoint)
		s.b.log().Warn("the mount is in use: detached, ends when these let go",
			"mountpoint", s.mountpoint, "holders", holderList(holders))
		err = Detach(s.mountpoint)
	}
	if err != nil && !errors.Is(err, unix.EINVAL) { // EINVAL: no longer a mountpoint
		return fmt.Errorf("unmount %s: %w", s.mountpoint, err)
	}
	select {
	case <-s.served:
		return nil
	case <-ctx.Done():
	}
	busy := &BusyError{Mountpoint: s.mountpoint, Holders: holders}
	if err := Abort(s.device); err != nil {
		return fmt.Errorf("%w; the end of this process does it: %w", busy, err)
	}
	<-s.served
	return busy
}

// tryUnmount tries for a third of a second, since a file that was just closed may still count as
// open.
func (s *Server) tryUnmount(ctx context.Context) error {
	for wait := 5 * time.Millisecond; ; wait *= 2 {
		err := Unmount(s.mountpoint)
		if !errors.Is(err, unix.EBUSY) || wait > 160*time.Millisecond || withctx.Sleep(ctx, wait) != nil {
			return err
		}
	}
}
