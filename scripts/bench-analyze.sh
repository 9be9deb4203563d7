#!/usr/bin/env bash
# make bench-analyze: the article's OS-2359 analyzer over many small dumps, made on the spot: `thothfs analyze` beside a
# plain loop of the same script over the same files where they lie. Checked: exactly the right dumps are ticketed each time.
#
#	scripts/bench-analyze.sh [DUMPS]
set -euo pipefail
cd "$(dirname "$0")/.."
dumps=${1:-1000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PATH=$PWD/cmd/thothfs/testdata/illumos:$PATH # stand-ins for mdb and pargs
export THOTHFS=$PWD/bin/thothfs THOTHFS_STORE=$work/corpus THOTHFS_CACHE_DIR=$work/cache THOTH_INIT=$PWD/scripts/thoth-init.sh
analyzer=$PWD/cmd/thothfs/testdata/article/OS-2359
unset MANTA_URL BASH_ENV

# Every second dump is of svc.startd, and of these every second has utmpx_postfork in its stack.
make_corpus() {
	rm -rf "$work/corpus" "$work/cache"
	mkdir -p "$work/corpus"
	local i hash cmd frame
	for ((i = 1; i <= dumps; i++)); do
		printf -v hash '%08x%024x' $((i * 2654435761 % 4294967296)) "$i"
		cmd=svc.startd frame=main+0x44
		((i % 2 == 0)) || cmd=svc.configd
		((i % 4 == 3 || i % 4 == 0)) && frame=utmpx_postfork+0x44
		mkdir "$work/corpus/$hash"
		printf 'frame libc.so.1`abort+0x10e()\nframe %s()\nframe _start+0x83()\n' "$frame" >"$work/corpus/$hash/core.$cmd.$i"
		printf '{\n\t"dump": "/thoth/stor/thoth/%s/core.%s.%d",\n\t"cmd": "%s",\n\t"time": %d,\n\t"type": "core",\n\t"properties": {}\n}\n' \
			"$hash" "$cmd" "$i" "$cmd" $((1373566304 + i)) >"$work/corpus/$hash/info.json"
		((i % 4 == 0)) && echo "$hash"
	done >"$work/right"
	return 0
}

check() {
	local f ticketed
	for f in $(grep -l '"ticket": "OS-2359"' -r "$work/corpus" --include=info.json); do
		basename "$(dirname "$f")"
	done | sort >"$work/ticketed"
	sort "$work/right" | cmp - "$work/ticketed" || { echo "bench-analyze: $1: the wrong dumps are ticketed" >&2; exit 1; }
	ticketed=$(wc -l <"$work/ticketed")
	printf '%-28s %6.1f s (processor: %.1f s user, %.1f s system)   %d of %d ticketed\n' "$1" "$2" "$3" "$4" "$ticketed" "$dumps"
}

measure() {
	local name=$1 TIMEFORMAT='%R %U %S'
	shift
	{ time "$@" >"$work/out" 2>"$work/err"; } 2>"$work/time" || { cat "$work/err" >&2; exit 1; }
	check "$name" $(cat "$work/time")
}

plain_loop() {
	local dir dump name
	for dir in "$work"/corpus/*/; do
		name=$(basename "$dir")
		for dump in "$dir"core.*; do
			THOTH_DUMP=$dump THOTH_INFO=${dir}info.json THOTH_INFO_OBJECT=${dir}info.json THOTH_NAME=$name THOTH_TYPE=core \
				THOTH_ANALYZER=$analyzer bash --noprofile --norc -c '. "$THOTH_INIT"; . "$THOTH_ANALYZER"' </dev/null
		done
	done
}

json=$(type -P json || echo "of thothfs")
echo "OS-2359 over $dumps dumps, $(nproc) processors, json $json"
for jobs in 1 2; do
	make_corpus
	measure "thothfs analyze --jobs $jobs" "$THOTHFS" analyze 'id=*' "$analyzer" --jobs "$jobs"
done
make_corpus
measure "a loop over local files" plain_loop
