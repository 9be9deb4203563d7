package manta

import (
	"context"
	"fmt"
	"net"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// findAgentKey finds a key in the agent, or returns nil. It returns old if that
// is the one.
func findAgentKey(ctx context.Context, socket string, match func(ssh.PublicKey) bool, old *Key) (*Key, error) {
	if socket == "" {
		return nil, nil
	}
	var found *Key
	err := withAgent(ctx, socket, func(a agent.ExtendedAgent) error {
		keys, err := a.List()
		if err != nil {
			return err
		}
		for _, k := range keys {
			public, err := ssh.ParsePublicKey(k.Blob)
			if err == nil && match(public) && algorithm(public) != "" {
				found = newAgentKey(socket, public)
				if old != nil && old.String() == found.String() {
					found = old
				}
				return nil
			}
		}
		return nil
	})
	return found, err
}

// newAgentKey is a key of the agent. The agent is called anew for each signature:
// it may have been started again since.
func newAgentKey(socket string, public ssh.PublicKey) *Key {
	var flags agent.SignatureFlags
	if public.Type() == ssh.KeyAlgoRSA {
		flags = agent.SignatureFlagRsaSha256
	}
	sign := func(ctx context.Context, data []byte) (sig *ssh.Signature, err error) {
		err = withAgent(ctx, socket, func(a agent.ExtendedAgent) error {
			sig, err = a.SignWithFlags(public, data, flags)
			return err
		})
		return sig, err
	}
	return &Key{public: public, source: "the ssh agent", sign: sign}
}

// withAgent calls f with a connection to the agent, which ends with ctx.
func withAgent(ctx context.Context, socket string, f func(agent.ExtendedAgent) error) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("ssh agent: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := f(agent.NewClient(conn)); err != nil {
		return fmt.Errorf("ssh agent: %w", err)
	}
	return nil
}
