// Command tour follows the tour of README.md as a reader would: it runs the commands, line by line,
// in one new shell with an empty home directory, and compares what they print with what README.md
// shows. Hashes, times, sizes, addresses and the directories of programs differ on every machine;
// they are only compared in kind. A … in README.md stands for any text.
//
//	make && go run ./scripts/tour
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := follow(ctx, "."); err != nil {
		fmt.Fprintln(os.Stderr, "tour:", err)
		os.Exit(1)
	}
}

// follow runs the tour of the source tree root, whose program has been built.
func follow(ctx context.Context, root string) error {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		return err
	}
	steps, err := parse(string(readme))
	if err != nil {
		return err
	}
	home, err := os.MkdirTemp("", "thothfs-tour-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	return run(ctx, steps, root, home)
}
