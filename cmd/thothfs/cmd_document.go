package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"thothfs/cmd/thothfs/analyze"
	"thothfs/cmd/thothfs/debugger"
	"thothfs/cmd/thothfs/output"
	"thothfs/dump/document"
	"thothfs/scripts"
	"thothfs/signature"
	"thothfs/store"
	"thothfs/store/manta"
)

// documentCommand is used by scripts/thoth-init.sh to edit an analyzer's copy of info.json. Users
// have set, ticket and info instead.
func documentCommand(cl *cli) *cobra.Command {
	return &cobra.Command{
		Use:                "document",
		Short:              "For analyzers: read and edit a copy of info.json",
		Hidden:             true,
		DisableFlagParsing: true, // values may begin with a dash
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errDocumentUse
			}
			switch verb, rest := args[0], args[1:]; {
			case verb == "json":
				stdin := func() ([]byte, error) { return cl.readStdin(cmd.Context(), "JSON", 2*document.MaxSize) }
				return analyze.PrintJSON(cl.stdout, stdin, rest)
			case verb == "mget":
				return mget(cmd.Context(), cl, rest)
			case verb == "stack" && len(rest) == 1:
				return printStack(cmd.Context(), cl, rest[0])
			case verb == "skip-list" && len(rest) == 0:
				_, err := cl.stdout.Write(scripts.Skip)
				return err
			case verb == "signal" && len(rest) == 1:
				return printSignal(cl, rest[0])
			case verb == "signature" && len(rest) == 3:
				return setSignature(cmd.Context(), cl, rest[0], rest[1], rest[2])
			case verb == "set" && len(rest) == 2:
				return setFromStdin(cmd.Context(), cl, rest[0], rest[1])
			case verb == "unset" && len(rest) == 2:
				return analyze.EditCopy(cmd.Context(), rest[0], document.Unset(rest[1]))
			case verb == "merge" && len(rest) == 2:
				return analyze.MergeIntoCopy(cmd.Context(), rest[0], rest[1])
			case verb == "check" && len(rest) == 1:
				return analyze.EditCopy(cmd.Context(), rest[0])
			}
			return errDocumentUse
		},
	}
}

var errDocumentUse = errors.New("usage: document {set|unset} FILE PATH, merge FILE UPDATE, check FILE, json [-f FILE] [KEY...], mget PATH..., {stack|signal} DUMP, signature DUMP FILE LIST or skip-list")

// setFromStdin allows empty input, because an analyzer may store the output of a program.
func setFromStdin(ctx context.Context, cl *cli, file, path string) error {
	text, err := cl.readValue(ctx, "the value of "+path)
	if err != nil && !errors.Is(err, errNoInput) {
		return err
	}
	if path == "ticket" && !isTicket(text) {
		return fmt.Errorf("%q is not a ticket", text)
	}
	return analyze.EditCopy(ctx, file, document.Set(path, text))
}

// printStack prints the stack of the thread that died, one frame per line.
func printStack(ctx context.Context, cl *cli, path string) error {
	info, err := debugger.Inspect(path)
	if err != nil {
		return err
	}
	stack, err := debugger.Stack(ctx, path, info)
	if err != nil {
		return err
	}
	return printEach(cl, stack, output.Printable)
}

// printSignal prints the signal that ended the process and its fault address, or nothing if there
// was no signal.
func printSignal(cl *cli, path string) error {
	info, err := debugger.Inspect(path)
	if err != nil {
		return err
	}
	f := info.Fault()
	if f.Signal == 0 {
		return nil
	}
	address := ""
	if f.HasAddress {
		address = fmt.Sprintf(" %#x", f.Address)
	}
	_, err = fmt.Fprintf(cl.stdout, "%s%s\n", signature.SignalName(f.Signal), address)
	return err
}

// setSignature sets the signature of the dump at path in a copy of its info.json. list is a file of
// functions to skip; if it is empty, the built-in list is used.
func setSignature(ctx context.Context, cl *cli, path, file, list string) error {
	text := scripts.Skip
	if list != "" {
		var err error
		if text, err = analyze.ReadDocument(list); err != nil {
			return err
		}
	}
	skip, err := signature.ParseSkip(text)
	if err != nil {
		return err
	}
	raw, err := analyze.ReadDocument(file)
	if err != nil {
		return err
	}
	death, err := debugger.Death(ctx, path, document.Parse(raw).Stack())
	if err != nil {
		return err
	}
	s, err := signature.Of(death, skip)
	if err != nil {
		return err
	}
	asText := func(name, value string) document.Edit {
		return document.Edit{Path: "properties." + name, Value: document.TextValue(value)}
	}
	fmt.Fprintf(cl.stdout, "%s %s\n", s.Hash, output.Printable(s.Text))
	return analyze.EditCopy(ctx, file, asText("signature", s.Hash), asText("signature_of", s.Text), asText("signature_class", s.Class),
		asText("signature_program", s.Program), document.Set("properties.signature_rule", skip.RuleName(list == "")))
}

// mget replaces Manta's mget(1) for analyzers where that is not installed. It prints Manta objects,
// including those of other accounts.
func mget(ctx context.Context, cl *cli, args []string) error {
	var paths []string
	for _, arg := range args {
		switch {
		case arg == "-q" || arg == "--quiet":
		case strings.HasPrefix(arg, "-"):
			return fmt.Errorf("mget: %s needs the mget of npm: npm install -g manta", arg)
		default:
			paths = append(paths, arg)
		}
	}
	if len(paths) == 0 {
		return errors.New("mget: no object was named")
	}
	if cl.getenv("MANTA_URL") == "" {
		return errors.New("mget: MANTA_URL is not set")
	}
	for _, p := range paths {
		if err := mgetOne(ctx, cl, p); err != nil {
			if cl.getenv("THOTH_INIT") != "" && cl.getenv("MANTA_KEY_ID") == "" {
				err = fmt.Errorf("%w (thothfs analyze --credentials passes the keys on to analyzers)", err)
			}
			return fmt.Errorf("mget: %s: %w", p, err)
		}
	}
	return nil
}

func mgetOne(ctx context.Context, cl *cli, object string) error {
	if rest, ok := strings.CutPrefix(object, "~~/"); ok {
		object = "/" + cl.getenv("MANTA_USER") + "/" + rest
	}
	log, err := cl.verbLogger()
	if err != nil {
		return err
	}
	dir, name := path.Split(path.Clean(object))
	bare, err := manta.Open(manta.EnvOptions(ctx, dir, cl.storeOptions(false, log)))
	if err != nil {
		return err
	}
	defer bare.Close()
	s := store.Retry(bare, store.RetryOptions{})
	attr, err := s.Stat(ctx, name)
	if err != nil {
		return err
	}
	if attr.Dir {
		return errors.New("it is a directory")
	}
	ref := store.Ref{Key: name, ETag: attr.ETag}
	piece := make([]byte, min(1<<20, attr.Size))
	for off := int64(0); off < attr.Size; off += int64(len(piece)) {
		piece = piece[:min(int64(len(piece)), attr.Size-off)]
		if _, err := s.ReadAt(ctx, ref, piece, off); err != nil {
			return err
		}
		if _, err := cl.stdout.Write(piece); err != nil {
			return err
		}
	}
	return nil
}
