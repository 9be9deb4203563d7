#!/usr/bin/env bash
# Speed and memory, each beside a baseline from the same run: Go benchmarks of the packages (their baselines are
# sub-benchmarks), then a dump read through a mount beside the local file. Ratios count; absolute times drift.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
$GO test -run '^$' -bench . -benchtime "${BENCHTIME:-200ms}" -benchmem ./cache ./corpus ./dump ./query ./store/... 
$GO run ./scripts/bench
