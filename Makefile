# Two commands matter: `make demo` and `make test`. The rest is for working on it.
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  = -X main.version=$(VERSION)
# What `go test` runs with; the race detector is part of the contract.
TESTFLAGS ?= -race -timeout 20m

.PHONY: all build demo demo-clean test test-short lint bench setup man clean

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

test: setup ## everything
	$(GO) vet ./...
	$(GO) test $(TESTFLAGS) ./...

test-short: ## no setup, no race detector: the quick round while writing
	$(GO) test -short ./...

lint: ## gofmt, go vet, staticcheck, the package map
	./scripts/lint.sh

bench: build ## speed and memory, always beside a baseline from the same run
	./scripts/bench.sh

clean:
	rm -rf bin bench-out
