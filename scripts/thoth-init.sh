# What an analyzer finds: bash sources this before it. It runs under the analyzer's own `set -eu`, with values that are
# nobody's friend, so every expansion is quoted and every status looked at. Edits are made to a private copy of info.json,
# $THOTH_INFO; the program that started us ($THOTHFS) stores what has changed there after an exit of 0.
#
#   THOTH_DUMP, MANTA_INPUT_FILE    the dump, a local path
#   THOTH_INFO                      the copy of its info.json, which may also be rewritten whole
#   THOTH_NAME, THOTH_TYPE          its hash; core or crash
#   THOTH_DIR, MANTA_INPUT_OBJECT   its directory in the store, and itself there
#   THOTH_TMPDIR                    the working directory, fresh and private, removed afterwards
#   THOTHFS, THOTHFS_MOUNT          this program, whose verbs work on the same corpus, and the mount that has the dump

# thoth_set PROP [VALUE...]: properties.PROP becomes VALUE, or what is on standard input.
thoth_set() {
	if [[ $# -lt 1 ]]; then
		thoth_fatal "thoth_set: which property?"
		return
	fi
	local path=properties.$1
	shift
	_thoth_put "$path" "$@"
}

# thoth_unset PROP
thoth_unset() {
	if [[ $# -ne 1 ]]; then
		thoth_fatal "thoth_unset: which property?"
		return
	fi
	"$THOTHFS" document unset "$THOTH_INFO" "properties.$1" || _thoth_refused
}

# thoth_ticket TICKET
thoth_ticket() {
	if [[ $# -lt 1 ]]; then
		thoth_fatal "thoth_ticket: which ticket?"
		return
	fi
	_thoth_put ticket "$@"
}

thoth_unticket() {
	"$THOTHFS" document unset "$THOTH_INFO" ticket || _thoth_refused
}

# thoth_set_sys FIELD [VALUE...]: a field at the top of info.json. Only the ticket can be set.
thoth_set_sys() {
	if [[ $# -lt 1 ]]; then
		thoth_fatal "thoth_set_sys: which field?"
		return
	fi
	_thoth_put "$@"
}

# thoth_unset_sys FIELD
thoth_unset_sys() {
	if [[ $# -ne 1 ]]; then
		thoth_fatal "thoth_unset_sys: which field?"
		return
	fi
	"$THOTHFS" document unset "$THOTH_INFO" "$1" || _thoth_refused
}

# thoth_load [FILE]: takes over what is in $THOTH_INFO, with the JSON of FILE merged into it.
thoth_load() {
	if [[ $# -gt 0 && -f $1 ]]; then
		"$THOTHFS" document merge "$THOTH_INFO" "$1" || _thoth_refused
	else
		"$THOTHFS" document check "$THOTH_INFO" || _thoth_refused
	fi
}

# thoth_analyze runs the analyzer as it is run without a shell, for an interactive one.
thoth_analyze() {
	"$BASH" --noprofile --norc -c '. "$THOTH_INIT" || exit; . "$THOTH_ANALYZER"' analyzer
}

thoth_fatal() {
	local IFS=' '
	printf 'thothfs: %s\n' "$*" >&2
	_thoth_refused
}

# A value may be longer than an argument can be: it goes by standard input, where one newline at its end does not count.
_thoth_put() {
	local path=$1 IFS=' '
	shift
	if [[ $# -gt 0 ]]; then
		"$THOTHFS" document set "$THOTH_INFO" "$path" <<<"$*" || _thoth_refused
	else
		"$THOTHFS" document set "$THOTH_INFO" "$path" || _thoth_refused
	fi
}

# An edit that was refused ends the analyzer, and marks the dump as failed should this be a subshell.
_thoth_refused() {
	if [[ -n ${THOTH_FAILED:-} ]]; then
		: >"$THOTH_FAILED"
	fi
	if [[ $- == *i* ]]; then
		return 1
	fi
	exit 1
}

# What analyzers use of npm's json, and of the Manta tools, where those are not installed.
if ! type -P json >/dev/null; then
	json() { "$THOTHFS" document json "$@"; }
fi
if ! type -P mget >/dev/null; then
	mget() { "$THOTHFS" document mget "$@"; }
fi

# mput [-qf FILE] OBJECT: an analyzer that stores its info.json itself would take away what others edit meanwhile.
mput() {
	local object=${*: -1} file= i
	if [[ $object != "$THOTH_INFO_OBJECT" ]]; then
		command mput "$@"
		return
	fi
	for ((i = 1; i < $#; i++)); do
		if [[ ${!i} == -*f ]]; then
			((i += 1))
			file=${!i}
		fi
	done
	if [[ -z $file ]]; then
		cat >"$THOTH_INFO.put"
		mv -f "$THOTH_INFO.put" "$THOTH_INFO"
	elif [[ ! $file -ef $THOTH_INFO ]]; then
		cp -f "$file" "$THOTH_INFO"
	fi
	thoth_load
}
