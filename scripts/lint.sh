#!/usr/bin/env bash
# gofmt, go vet, staticcheck, the package map and the house rules that can be held by a program.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}

unformatted=$(gofmt -l $(git ls-files -co --exclude-standard '*.go'))
if [ -n "$unformatted" ]; then
	echo "lint: run gofmt -w on:" >&2
	echo "$unformatted" >&2
	exit 1
fi
$GO vet ./...
$GO tool staticcheck ./...
$GO run ./scripts/importlint
$GO mod tidy -diff
$GO run ./scripts/semanticslint
$GO run ./scripts/wordlint
for f in scripts/*.sh .ci/run; do bash -n "$f"; done
for f in scripts/analyzers/*; do [[ $f == *.* ]] || bash -n "$f"; done
echo "lint: clean"
