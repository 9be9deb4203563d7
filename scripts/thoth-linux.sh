# What analyzers of cores of Linux processes find beside thoth-init.sh.

# thoth_need_linux [kernel]: ends the analyzer unless the dump is the core of a Linux process (what other systems write
# into the first notes of a core tells them apart) or, with "kernel", the dump of a kernel in a format of Linux.
thoth_need_linux() {
	if [[ ${1-} == kernel && $THOTH_TYPE == crash && $(head -c 6 "$THOTH_DUMP" | od -An -v -tx1 | tr -d ' \n') == @(7f454c46*|4b44554d5020) ]]; then
		return
	fi
	if [[ $THOTH_TYPE == core && $(head -c 18 "$THOTH_DUMP" | od -An -v -tx1 | tr -d ' \n') == 7f454c46*@(0400|0004) ]] &&
		! head -c 65536 "$THOTH_DUMP" | LC_ALL=C grep -aqE 'FreeBSD|NetBSD-CORE|OpenBSD|SunOS|joyent_'; then
		return
	fi
	thoth_fatal "$THOTH_NAME: this is not the core of a Linux process"
}

# thoth_need TOOL PACKAGE ends the analyzer unless the tool is installed.
thoth_need() {
	type -P "$1" >/dev/null || thoth_fatal "$1 is not installed (Debian: apt-get install $2)"
}

# thoth_gdb [ARGUMENT...]: gdb on the dump, with its program if it is here; a dump's files are hostile: nothing is loaded
# and run for them.
thoth_gdb() {
	if [[ -z ${thoth_exe+set} ]]; then
		thoth_exe=$("$THOTHFS" executable "$THOTH_DUMP" 2>/dev/null) || thoth_exe=
	fi
	LC_ALL=C DEBUGINFOD_URLS='' gdb -nx -q -batch -iex 'set auto-load off' -iex 'set auto-load safe-path /nonexistent' \
		-iex 'set pagination off' -iex 'set width 0' -iex 'set language c' \
		${thoth_exe:+-se "$thoth_exe"} -c "$THOTH_DUMP" "$@" </dev/null
}

# thoth_stack: the frames of the thread that died, innermost first, one a line, in the form of info.json:
# MODULE`FUNCTION+0xOFFSET(), MODULE`+0xOFFSET() where there is no symbol, a bare address outside of all files.
thoth_stack() {
	"$THOTHFS" document stack "$THOTH_DUMP"
}

# thoth_quote TEXT: REPLY becomes TEXT as a JSON string. What is not UTF-8 is shown as question marks.
thoth_quote() {
	local LC_ALL=C c i
	REPLY=$1
	if [[ $REPLY == *[$'\x80'-$'\xff']* ]] && ! iconv -f UTF-8 -t UTF-8 <<<"$REPLY" >/dev/null 2>&1; then
		REPLY=${REPLY//[$'\x80'-$'\xff']/?}
	fi
	REPLY=${REPLY//\\/\\\\}
	REPLY=${REPLY//\"/\\\"}
	if [[ $REPLY == *[$'\x01'-$'\x1f\x7f']* ]]; then
		for i in {1..31} 127; do
			printf -v c "\\x$(printf %x "$i")"
			printf -v i '\\u%04x' "$i"
			REPLY=${REPLY//"$c"/"$i"}
		done
	fi
	REPLY=\"$REPLY\"
}

# thoth_quote_all: the lines of standard input as a JSON array of strings.
thoth_quote_all() {
	local line out=
	while IFS= read -r line; do
		thoth_quote "$line"
		out+=${out:+, }$REPLY
	done
	printf '[%s]\n' "$out"
}
