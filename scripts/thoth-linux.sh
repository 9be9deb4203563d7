# What analyzers of cores of Linux processes find beside thoth-init.sh.

# thoth_need_linux ends the analyzer unless the dump is the core of a Linux process: what other systems write into the
# first notes of a core tells them apart.
thoth_need_linux() {
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

thoth_need_stack_tool() {
	type -P gdb >/dev/null || type -P eu-stack >/dev/null || thoth_fatal "neither gdb nor eu-stack is installed (Debian: apt-get install gdb)"
}

# thoth_gdb [ARGUMENT...]: gdb on the dump, with its program if it is here; a dump's files are hostile: nothing is loaded
# and run for them.
thoth_gdb() {
	if [[ -z ${thoth_exe+set} ]]; then
		thoth_exe=$("$THOTHFS" executable "$THOTH_DUMP" 2>/dev/null) || thoth_exe=
	fi
	LC_ALL=C DEBUGINFOD_URLS='' gdb -nx -q -batch -iex 'set auto-load off' -iex 'set auto-load safe-path /nonexistent' \
		-iex 'set pagination off' -iex 'set width 0' -iex 'set language c' \
		-iex 'set print frame-arguments none' -iex 'set print frame-info short-location' ${thoth_exe:+-se "$thoth_exe"} -c "$THOTH_DUMP" "$@" </dev/null
}

# thoth_stack gdb|eu-stack: the frames of the thread that died, innermost first, one a line, in the form of info.json:
# MODULE`FUNCTION(), a bare address where there is no function.
thoth_stack() {
	if ! type -P "$1" >/dev/null; then
		return 1
	fi
	"_thoth_stack_${1//-/_}" 2>/dev/null | head -n "${THOTH_FRAMES:-64}"
}

# Each frame comes with gdb's own line for it. A call returns behind itself, which may be the next function already: the second symbol is that of the byte before. A
# frame that a signal interrupted is where it says.
_thoth_stack_gdb() {
	cat >thoth-stack.gdb <<-'EOF'
		define thoth_frame
		printf "FRAME %#lx\n", $pc
		info symbol $pc
		echo CALL\n
		info symbol $pc - 1
		end
		frame apply 64 -s thoth_frame
	EOF
	thoth_gdb -x thoth-stack.gdb | awk '
		function show() {
			if (pc != "") print (here ~ signal || exact || call == "" ? here : call) "()"
			exact = here ~ signal; here = call = ""
		}
		BEGIN { exact = 1; signal = "restore_rt|sigreturn|runtime.sigpanic" }
		/^#[0-9]+ / { handler = / <signal handler called>$/; next } # gdb knows it without a symbol, too
		/^FRAME / { show(); here = handler ? "sigreturn" : $2; pc = $2; behind = 0; next }
		/^CALL$/ { behind = 1; next }
		pc != "" && / in section / {
			name = $0; module = ""
			if (match(name, / in section [^ ]+ of /)) { module = substr(name, RSTART + RLENGTH); sub(/.*\//, "", module) }
			sub(/ in section .*/, "", name); sub(/ \+ [0-9]+$/, "", name)
			if (name ~ /^[a-z0-9_]+\[[A-Za-z0-9_]+\]$/) { sub(/\[/, ".", name); sub(/\]/, "", name) } # Go, as gdb writes some
			if (module ~ /\.so/) name = module "`" name
			if (behind) call = name; else here = name
		}
		END { show() }'
}

_thoth_stack_eu_stack() {
	if [[ -z ${thoth_exe+set} ]]; then
		thoth_exe=$("$THOTHFS" executable "$THOTH_DUMP" 2>/dev/null) || thoth_exe=
	fi
	# With -v a call has "- 1" behind its address, and what a signal interrupted, or returns from one, has not.
	eu-stack -v -m ${thoth_exe:+-e "$thoth_exe"} --core="$THOTH_DUMP" | awk '
		/^TID / { if (++threads > 1) exit; frames = 0 }
		/^#/ {
			sub(/^#[0-9]+ +/, ""); pc = $1; sub(/^[^ ]+ */, ""); module = ""; call = sub(/^- 1( |$)/, "") || ++frames == 1
			if (match($0, /(^| )- [^ ]*$/)) { module = substr($0, RSTART); $0 = substr($0, 1, RSTART - 1); sub(/.*\//, "", module) }
			print (module ~ /\.so/ && $0 != "" ? module "`" : "") ($0 != "" ? $0 : call ? pc : "sigreturn") "()"
		}'
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
