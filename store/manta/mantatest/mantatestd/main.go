// Command mantatestd serves a directory as a Manta, for manual tests and benchmarks:
//
//	go run ./store/manta/mantatest/mantatestd --listen 127.0.0.1:8080 --root DIR
//
// The object /alice/stor/x is the file DIR/alice/stor/x. Without a key there is no
// authentication.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/crypto/ssh"

	"thothfs/store/manta/mantatest"
)

// config holds the values of the flags.
type config struct {
	listen  string
	account string
	keys    []string
	server  mantatest.Options
}

func main() {
	c, err := parse(os.Args[1:])
	if errors.Is(err, pflag.ErrHelp) {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err == nil {
		err = run(ctx, c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mantatestd:", err)
		os.Exit(1)
	}
}

func parse(args []string) (config, error) {
	var c config
	f := pflag.NewFlagSet("mantatestd", pflag.ContinueOnError)
	f.StringVar(&c.listen, "listen", "127.0.0.1:8080", "address to listen on; port 0 takes a free one")
	f.StringVar(&c.server.Root, "root", "", "directory that holds the accounts (required)")
	f.StringVar(&c.account, "account", "", "account that exists, and whose key is --key")
	f.StringArrayVar(&c.keys, "key", nil, "public key file of the account; may be repeated")
	f.DurationVar(&c.server.Latency, "latency", 0, "added to each request")
	f.Int64Var(&c.server.Bandwidth, "bandwidth", 0, "bytes per second of all connections together, 0 for no limit")
	f.BoolVar(&c.server.Gzip, "gzip", false, "compress answers for clients that accept it")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	switch {
	case c.server.Root == "":
		return c, errors.New("--root is required")
	case len(c.keys) > 0 && c.account == "":
		return c, errors.New("--key needs --account")
	case f.NArg() > 0:
		return c, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return c, nil
}

// run serves until ctx is done.
func run(ctx context.Context, c config) error {
	s, err := mantatest.New(c.server)
	if err != nil {
		return err
	}
	if c.account != "" {
		s.AddAccount(c.account)
	}
	for _, name := range c.keys {
		key, err := readKey(name)
		if err != nil {
			return err
		}
		s.AddKey(c.account, "", key)
	}
	l, err := net.Listen("tcp", c.listen)
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	return serve(ctx, s.HTTPServer(), l)
}

func readKey(name string) (ssh.PublicKey, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return key, nil
}

// serve serves l until ctx is done, and then waits up to 5 s for requests to finish.
func serve(ctx context.Context, h *http.Server, l net.Listener) error {
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := h.Shutdown(grace)
		if errors.Is(err, context.DeadlineExceeded) {
			err = h.Close()
		}
		stopped <- err
	})
	defer stop()
	if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
