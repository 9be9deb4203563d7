package fusefs

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// interrupted is the context of a kernel request. It has no deadline and ends when a channel is
// closed.
type interrupted struct {
	context.Context
	c chan struct{}
}

func (i interrupted) Done() <-chan struct{} { return i.c }

func TestCall(t *testing.T) {
	const timeout, grace = time.Minute, 200 * time.Millisecond
	tests := []struct {
		name      string
		interrupt time.Duration // time of the interrupt; 0 for none
		end       time.Duration // time when the call is answered; 0 for never
		after     time.Duration // time when Done must fire
		err       error
	}{
		{"deadline", 0, 0, timeout, context.DeadlineExceeded},
		{"interrupt", time.Second, 0, time.Second + grace, context.Canceled},
		{"interrupt just before the deadline", timeout - grace/2, 0, timeout, context.DeadlineExceeded},
		{"answered", 0, time.Second, time.Second, context.Canceled},
		{"answered within the grace", time.Second, time.Second + grace/2, time.Second + grace/2, context.Canceled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, c := time.Now(), make(chan struct{})
				call := newRequest(interrupted{t.Context(), c}, timeout, grace)
				defer call.end()
				if tt.interrupt != 0 {
					time.AfterFunc(tt.interrupt, func() { close(c) })
				}
				if tt.end != 0 {
					time.AfterFunc(tt.end, call.end)
				}
				if call.Err() != nil {
					t.Fatal("over before it began")
				}
				<-call.Done()
				if after := time.Since(begin); after != tt.after || !errors.Is(call.Err(), tt.err) {
					t.Errorf("ended after %v with %v, want %v with %v", after, call.Err(), tt.after, tt.err)
				}
			})
		})
	}
}

func TestCallWithoutWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newRequest(context.Background(), time.Minute, time.Second)
		time.Sleep(2 * time.Minute)
		if !errors.Is(c.Err(), context.DeadlineExceeded) {
			t.Errorf("got %v", c.Err())
		}
		select {
		case <-c.Done():
		default:
			t.Error("Err without Done")
		}
		c.end()
		c.end()
	})
}
