package fusefs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Server is a mount that is being served.
type Server struct {
	mountpoint string
	device     int // minor number; 0 if not known
	b          *bridge
	kernel     *fuse.Server
	served     chan struct{} // closed when the serving loop has ended
}

// BusyError is an Unmount that had to cut off processes which would not let go.
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

// newServer serves a mount that the kernel has made, and waits until it answers.
func newServer(mountpoint string, b *bridge, kernel *fuse.Server) (*Server, error) {
	s := &Server{mountpoint: mountpoint, b: b, kernel: kernel, served: make(chan struct{})}
	unsubscribe := b.tree.Subscribe(b.invalidateEdit, b.invalidate)
	b.nodes.root = b.root.EmbeddedInode()
	unmounted := make(chan struct{})
	go b.nodes.run(unmounted) // ended with the serving loop
	go func() {               // ends when the file system is unmounted and its last file closed
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

// Wait returns when the file system is unmounted, by whomever, and the last file
// on it is closed.
func (s *Server) Wait() { <-s.served }

// Unmount takes the mount away and waits as Wait does. When it is in use, the
// log says by whom, the name is taken away at once, and who has files open keeps
// reading until ctx ends; then they are cut off (ENOTCONN), and the error is a
// *BusyError. Unmounting what is unmounted already is fine.
func (s *Server) Unmount(ctx context.Context) error {
	select {
	case <-s.served:
		return nil
	default:
	}
	err := s.tryUnmount(ctx)
	if errors.Is(err, unix.EBUSY) {
		s.b.log().Warn("the mount is in use: detached, ends when these let go",
			"mountpoint", s.mountpoint, "holders", holderList(Holders(s.mountpoint)))
		return s.detach(ctx)
	}
	if err != nil && !errors.Is(err, unix.EINVAL) { // EINVAL: not a mountpoint any more
		return fmt.Errorf("unmount %s: %w", s.mountpoint, err)
	}
	return s.await(ctx, nil)
}

// tryUnmount tries for a moment: a file that was just closed may still count.
func (s *Server) tryUnmount(ctx context.Context) error {
	wait := 5 * time.Millisecond
	for {
		err := Unmount(s.mountpoint)
		if !errors.Is(err, unix.EBUSY) || wait > 160*time.Millisecond {
			return err
		}
		select {
		case <-time.After(wait):
			wait *= 2
		case <-ctx.Done():
			return err
		}
	}
}

func (s *Server) detach(ctx context.Context) error {
	holders := Holders(s.mountpoint)
	if err := Detach(s.mountpoint); err != nil {
		return fmt.Errorf("detach %s: %w", s.mountpoint, err)
	}
	return s.await(ctx, holders)
}

// await waits for the last close, and cuts off whoever is left when ctx ends.
func (s *Server) await(ctx context.Context, holders []Holder) error {
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
