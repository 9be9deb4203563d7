package manta

import (
	"context"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// errAgentP384 means that an agent holds a P-384 key. It would sign with SHA-384, since its
// protocol lets clients choose the hash only for RSA.
var errAgentP384 = errors.New("an ssh agent signs with ECDSA P-384 keys as ecdsa-sha384 only, which Manta does not know")

// findAgentKey returns the matching key in the agent, or nil if there is none. If that key is
// old, it returns old. If the agent holds the key but cannot sign with it, the error is
// errAgentP384.
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
			if err != nil || !match(public) || algorithm(public) == "" {
				continue
			}
			if public.Type() == ssh.KeyAlgoECDSA384 {
				return fmt.Errorf("key %s: %w: put its file into ~/.ssh as well, or use another key", ssh.FingerprintLegacyMD5(public), errAgentP384)
			}
			found = newAgentKey(socket, public)
			if old != nil && old.String() == found.String() {
				found = old
			}
			return nil
		}
		return nil
	})
	return found, err
}

// newAgentKey returns a key held by the agent. Each signature uses a new connection, since the
// agent may have been restarted.
func newAgentKey(socket string, public ssh.PublicKey) *Key {
	format, flags := public.Type(), agent.SignatureFlags(0)
	if format == ssh.KeyAlgoRSA { // the agent's default is SHA-1
		format, flags = ssh.KeyAlgoRSASHA256, agent.SignatureFlagRsaSha256
	}
	sign := func(ctx context.Context, data []byte) (blob []byte, err error) {
		err = withAgent(ctx, socket, func(a agent.ExtendedAgent) error {
			sig, err := a.SignWithFlags(public, data, flags)
			if err != nil {
				return err
			}
			if sig.Format != format {
				return fmt.Errorf("the signature is of type %s, not %s", sig.Format, format)
			}
			blob, err = httpSignature(sig)
			return err
		})
		return blob, err
	}
	return &Key{public: public, source: "the ssh agent", algorithm: algorithm(public), sign: sign}
}

// httpSignature converts an SSH signature to the format of HTTP signatures: ECDSA signatures are
// in ASN.1 instead of RFC 5656, section 3.1.2.
func httpSignature(sig *ssh.Signature) ([]byte, error) {
	if !strings.HasPrefix(sig.Format, "ecdsa-") {
		return sig.Blob, nil
	}
	var rs struct{ R, S *big.Int }
	if err := ssh.Unmarshal(sig.Blob, &rs); err != nil {
		return nil, err
	}
	return asn1.Marshal(rs)
}

// withAgent calls f with a connection to the agent, which is closed when ctx is done.
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
