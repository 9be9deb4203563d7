#!/usr/bin/env bash
# make bench: bin/thothfs beside the local file, a download and other mounts, over links of loopback. Arguments go to
# scripts/bench. What it cannot measure for want of a program is named; on Debian: apt-get install gdb elfutils lldb rclone.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${GO:-go}" run ./scripts/bench "$@"
