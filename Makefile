# Two commands matter: `make demo` and `make test`. The rest is for working on it.
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  = -X main.version=$(VERSION)
# What `go test` runs with; the race detector is part of the contract. It needs a C compiler: asked for when the
# tests begin, for setup may install one.
# -race also turns on checks of pointer arithmetic, of which SQLite, translated from C, consists: it goes without these
# (but not without the race detector, see docs/decisions.md), and a verb takes a sixth less processor time.
race = $$(command -v $$($(GO) env CC) >/dev/null && echo "-race -gcflags=modernc.org/...=-d=checkptr=0" || echo "no C compiler: without the race detector" >&2)
TESTFLAGS ?= $(race) -timeout 45m
# Of `make bench`: as --runs 1 --links wan --cores dense; `go run ./scripts/bench --help` names all. Of bench-scale: its own --help.
BENCHFLAGS ?=
BENCHTIME  ?= 200ms
# Where `make install` puts things; DESTDIR goes before all of it, for packagers.
PREFIX  ?= /usr/local
DESTDIR ?=
bindir   = $(DESTDIR)$(PREFIX)/bin
mandir   = $(DESTDIR)$(PREFIX)/share/man/man1
man7dir  = $(DESTDIR)$(PREFIX)/share/man/man7
sharedir = $(DESTDIR)$(PREFIX)/share
# mount(8) looks for its helpers here and nowhere else.
sbindir ?= /sbin

.PHONY: all build demo demo-clean test test-short lint bench bench-scale bench-analyze bench-packages setup man clean

all: build

build: ## leaves bin/thothfs
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/thothfs ./cmd/thothfs

demo: build ## a small real corpus, mounted under ./demo, and the main job on it
	./scripts/setup.sh demo
	./scripts/demo.sh

demo-clean: ## unmount and remove what `make demo` left
	./scripts/demo.sh --clean

setup: ## installs, or names, what the tests use: fuse3, gdb, elfutils, attr, a C compiler, npm
	./scripts/setup.sh

test: setup ## everything; the ten slowest tests at the end
	$(GO) vet ./...
	@mkdir -p bin
	@$(GO) tool gotestsum --format pkgname --jsonfile bin/test.json -- $(TESTFLAGS) ./...; status=$$?; \
		echo "the slowest tests:"; $(GO) tool gotestsum tool slowest --num 10 --jsonfile bin/test.json; exit $$status

test-short: ## no setup, no race detector: the quick round while writing
	$(GO) test -short ./...

lint: ## gofmt, go vet, staticcheck, the package map
	./scripts/lint.sh

bench: build ## debuggers on dumps far away, beside a local file, a download and rclone (docs/performance.md)
	./scripts/bench.sh $(BENCHFLAGS)

bench-scale: build ## corpora of 10,000 dumps and more, beside plain files and a plain client (docs/performance.md)
	$(GO) run ./scripts/bench-scale $(BENCHFLAGS)

bench-analyze: build ## an analyzer over 1,000 small dumps, beside a plain loop over local files
	./scripts/bench-analyze.sh

bench-packages: ## the packages' own benchmarks, their baselines beside them
	$(GO) test -run '^$$' -bench . -benchtime $(BENCHTIME) -benchmem ./cache ./corpus ./dump ./query ./store/...

man: build ## leaves bin/man/*.1 and *.7
	rm -rf bin/man
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null)} bin/thothfs man bin/man

install: man ## the program, manual pages, completions, and the helper of mount(8)
	install -d $(bindir) $(mandir) $(man7dir) $(sharedir)/bash-completion/completions $(sharedir)/zsh/site-functions $(sharedir)/fish/vendor_completions.d $(DESTDIR)$(sbindir)
	install -m 755 bin/thothfs $(bindir)/thothfs
	install -m 644 bin/man/*.1 $(mandir)/
	install -m 644 bin/man/*.7 $(man7dir)/
	bin/thothfs completion bash >$(sharedir)/bash-completion/completions/thothfs
	bin/thothfs completion zsh >$(sharedir)/zsh/site-functions/_thothfs
	bin/thothfs completion fish >$(sharedir)/fish/vendor_completions.d/thothfs.fish
	ln -sfn $(PREFIX)/bin/thothfs $(DESTDIR)$(sbindir)/mount.thothfs

uninstall: ## what install has put there
	rm -f $(bindir)/thothfs $(mandir)/thothfs.1 $(mandir)/thothfs-*.1 $(man7dir)/thothfs-*.7 $(sharedir)/bash-completion/completions/thothfs \
		$(sharedir)/zsh/site-functions/_thothfs $(sharedir)/fish/vendor_completions.d/thothfs.fish $(DESTDIR)$(sbindir)/mount.thothfs

clean:
	rm -rf bin bench-out
