package fusefs

// script is a shell command to run in the mount.
type script struct {
	name, script, says string
	path, stored       string // expected value at path in the stored document of dump A
}

const vim = "vim -N -u NONE -i NONE -es "

// propertyScripts returns scripts that write attributes and properties.
func propertyScripts() []script {
	return []script{
		{"setfattr", "setfattr -n user.thoth.ticket -v OS-2359 by-hash/$A && ls by-ticket", "OS-1\nOS-2359\n", "ticket", `"OS-2359"`},
		{"through a view", "setfattr -n user.thoth.properties.n -v 7 by-cmd/x/$A/core", "", "properties.n", "7"},
		{"getfattr -d", "setfattr -n user.thoth.properties.a.b -v c by-hash/$A; getfattr -d by-cmd/x/$A | grep -c thoth.properties", "2\n", "properties.a", `{ "b": "c" }`},
		{"setfattr -x", "setfattr -x user.thoth.ticket by-hash/$A && ls by-ticket/OS-1", hashB + "\n", "ticket", ""},
		{"setfattr twice", "setfattr -x user.thoth.ticket by-hash/$A && setfattr -x user.thoth.ticket by-hash/$A", "setfattr: by-hash/" + hashA + ": No such attribute\nexit status 1\n", "ticket", ""},
		{"read-only field", "setfattr -n user.thoth.cmd -v y by-hash/$A", "setfattr: by-hash/" + hashA + ": Operation not permitted\nexit status 1\n", "cmd", `"x"`},
		{"foreign", "setfattr -n user.foo -v y by-hash/$A", "setfattr: by-hash/" + hashA + ": Operation not supported\nexit status 1\n", "foo", ""},
		{"getfattr and restore", "getfattr -d by-hash/$A > $T/all; setfattr -n user.thoth.ticket -v X by-hash/$A; grep -E '^#|ticket' $T/all | setfattr --restore=-", "", "ticket", `"OS-1"`},

		{"echo >", "echo wesolows > by-hash/$A/properties/triage && cat by-cmd/x/$A/properties/triage", "wesolows\n", "properties.triage", `"wesolows"`},
		{"echo >>", "echo a >> by-hash/$A/properties/log; echo b >> by-hash/$A/properties/log; cat by-hash/$A/properties/log", "a\nb\n", "properties.log", `"a\nb"`},
		{"several writers of one file", "{ echo a; /bin/echo b; (echo c); } > by-hash/$A/properties/p", "", "properties.p", `"a\nb\nc"`},
		{"a pipe", "seq 3 | tee by-hash/$A/properties/p > /dev/null", "", "properties.p", `"1\n2\n3"`},
		{"exec", "exec 5<> by-hash/$A/properties/p; echo x >&5; exec 5>&-; cat by-hash/$A/properties/p", "x\n", "properties.p", `"x"`},
		{"noclobber", "set -C; echo x > by-hash/$A/properties/triage", "bash: line 1: by-hash/" + hashA + "/properties/triage: cannot overwrite existing file\nexit status 1\n", "properties.triage", `"bmc"`},
		{"json", "echo '{\"engineer\": \"bmc\"}' > by-hash/$A/properties/t2; getfattr --only-values -n user.thoth.properties.t2.engineer by-hash/$A", "bmc", "properties.t2", `{"engineer": "bmc"}`},
		{"rm", "rm by-hash/$A/properties/triage; ls by-hash/$A/properties", "", "properties.triage", ""},
		{"cp", "echo v > $T/p; cp $T/p by-hash/$A/properties/; cat by-hash/$A/properties/p", "v\n", "properties.p", `"v"`},
		{"cp -p over", "echo v > $T/p; cp -p $T/p by-hash/$A/properties/triage; cat by-hash/$A/properties/triage", "v\n", "properties.triage", `"v"`},
		{"mv from elsewhere", "echo v > $T/p; mv $T/p by-hash/$A/properties/triage; cat by-hash/$A/properties/triage", "v\n", "properties.triage", `"v"`},
		{"mv", "cd by-hash/$A/properties; mv triage who; ls", "who\n", "properties.who", `"bmc"`},
		{"mv between dumps", "setfattr -n user.thoth.ticket -v OS-7 by-hash/$B; echo v > by-hash/$A/properties/p; mv by-hash/$A/properties/p by-hash/$B/properties/; ls by-hash/$A/properties; cat by-hash/$B/properties/p; getfattr --only-values -n user.thoth.ticket by-hash/$B", "triage\nv\nOS-7", "properties.p", ""},
		{"write and rename", "cd by-hash/$A/properties; tr a-z A-Z < triage > triage.tmp && mv triage.tmp triage; ls; cat triage", "triage\nBMC\n", "properties.triage", `"BMC"`},
		{"dd", "echo 0123456789 | dd of=by-hash/$A/properties/p bs=3 status=none; echo ab | dd of=by-hash/$A/properties/p bs=1 seek=2 conv=notrunc count=2 status=none; cat by-hash/$A/properties/p", "01ab456789\n", "properties.p", `"01ab456789"`},
		{"truncate", "truncate -s 1 by-hash/$A/properties/triage; cat by-hash/$A/properties/triage", "b\n", "properties.triage", `"b"`},
		{"sed -i", "sed -i s/bmc/ahl/ by-hash/$A/properties/triage; ls by-hash/$A/properties; cat by-hash/$A/properties/triage", "triage\nahl\n", "properties.triage", `"ahl"`},
		{"sed -i.bak", "cd by-hash/$A/properties; sed -i.bak s/bmc/ahl/ triage; ls; cat triage*; rm triage.bak", "triage\ntriage.bak\nahl\nbmc\n", "properties", `{ "triage": "ahl" }`},
		{"ed", "printf '1s/bmc/ahl/\\nw\\nq\\n' | ed -s by-hash/$A/properties/triage; cat by-hash/$A/properties/triage", "ahl\n", "properties.triage", `"ahl"`},
		{"vim", vim + "-c '%s/bmc/ahl/' -c wq by-hash/$A/properties/triage; ls -A by-hash/$A/properties", "triage\n", "properties.triage", `"ahl"`},
		{"vim of a new one", vim + "-c 'normal ihello' -c wq by-hash/$A/properties/new; ls -A by-hash/$A/properties", "new\ntriage\n", "properties.new", `"hello"`},
		{"vim with a swap file", vim + "-c 'set swapfile directory=. updatecount=1' -c 'e by-hash/'$A'/properties/triage' -c '%s/bmc/ahl/' -c preserve -c '!ls -A by-hash/'$A'/properties >&2' -c wq; ls -A by-hash/$A/properties", ".triage.swp\ntriage\ntriage\n", "properties", `{ "triage": "ahl" }`},
		{"vim with a backup", vim + "-c 'set backup backupcopy=no backupdir=. backupskip=' -c '%s/bmc/ahl/' -c wq by-hash/$A/properties/triage; ls by-hash/$A/properties; cat by-hash/$A/properties/triage~", "triage\ntriage~\nbmc\n", "properties", `{ "triage": "ahl" }`},
		{"vim twice", vim + "-c 'set writebackup backupcopy=no backupskip=' -c '%s/bmc/1/' -c w -c '%s/1/2/' -c wq by-hash/$A/properties/triage; ls -A by-hash/$A/properties", "triage\n", "properties", `{ "triage": 2 }`},
		{"touch", "touch by-hash/$A/properties/flag; ls by-hash/$A/properties", "flag\ntriage\n", "properties.triage", `"bmc"`},
	}
}

// otherScripts returns scripts that write tickets, analyzers, and files that are not writable.
func otherScripts() []script {
	return []script{
		{"mkdir and ln", "mkdir by-ticket/OS-9 && ln -s ../../by-hash/$A by-ticket/OS-9/ && ls by-ticket/OS-9 && cat by-ticket/OS-9/$A/core", hashA + "\nthe dump", "ticket", `"OS-9"`},
		{"ln without mkdir", "ln -s ../../by-hash/$A by-ticket/OS-9/", "ln: failed to create symbolic link 'by-ticket/OS-9/': No such file or directory\nexit status 1\n", "ticket", `"OS-1"`},
		{"mv of a ticket", "mv by-ticket/OS-1 by-ticket/OS-9; ls by-ticket by-ticket/OS-9; cat by-ticket/OS-9/$A/core", "by-ticket:\nOS-9\n\nby-ticket/OS-9:\n" + hashA + "\n" + hashB + "\nthe dump", "ticket", `"OS-9"`},
		{"mv of a ticket in use", "mkdir by-ticket/OS-9; mv by-ticket/OS-1/$B by-ticket/OS-9/; mv -T by-ticket/OS-1 by-ticket/OS-9", "mv: cannot move 'by-ticket/OS-1' to 'by-ticket/OS-9': Directory not empty\nexit status 1\n", "ticket", `"OS-1"`},
		{"ln from a view", "mkdir -p by-ticket/OS-9 && ln -s $PWD/by-cmd/x/$A by-ticket/OS-9/", "", "ticket", `"OS-9"`},
		{"ln of a prefix", "mkdir by-ticket/OS-9; cd by-hash; ln -s ../../by-hash/${A%1}1 ../by-ticket/OS-9/$A", "", "ticket", `"OS-9"`},
		{"ln -t", "mkdir -m 755 by-ticket/OS-9; ln -s -t by-ticket/OS-9 ../../by-hash/$A ../../by-hash/$B; ls by-ticket/OS-9", hashA + "\n" + hashB + "\n", "ticket", `"OS-9"`},
		{"mv of a link", "mkdir by-ticket/OS-9; mv by-ticket/OS-1/$A by-ticket/OS-9/; ls by-ticket/OS-1 by-ticket/OS-9", "by-ticket/OS-1:\n" + hashB + "\n\nby-ticket/OS-9:\n" + hashA + "\n", "ticket", `"OS-9"`},
		{"mv of all", "mkdir by-ticket/OS-9; mv by-ticket/OS-1/* by-ticket/OS-9/ && rmdir by-ticket/OS-1; ls by-ticket", "OS-9\n", "ticket", `"OS-9"`},
		{"rm of a link", "rm by-ticket/OS-1/$A; ls by-ticket/OS-1", hashB + "\n", "ticket", ""},
		{"rm -r", "rm -r by-ticket/OS-1; ls by-ticket", "", "ticket", ""},
		{"cp -P of a link", "mkdir by-ticket/OS-9; cp -P by-cmd/x/$A by-ticket/OS-9/", "", "ticket", `"OS-9"`},
		{"rmdir", "mkdir by-ticket/OS-9; rmdir by-ticket/OS-9; rmdir by-ticket/OS-1", "rmdir: failed to remove 'by-ticket/OS-1': Directory not empty\nexit status 1\n", "ticket", `"OS-1"`},

		{"cp to analyzers", "printf 'echo $1\\n' > $T/new; cp $T/new analyzers/ && ls -l analyzers | awk 'NR > 1 {print $1, $9}' && bash analyzers/new hello", "-rwxr-xr-x new\n-rwxr-xr-x old\nhello\n", "ticket", `"OS-1"`},
		{"cp over an analyzer", "echo echo new and longer than before > $T/x; cp $T/x analyzers/old && . analyzers/old && cat analyzers/old", "new and longer than before\necho new and longer than before\n", "ticket", `"OS-1"`},
		{"install", "echo echo hi > $T/x; install -m 755 $T/x analyzers/x && analyzers/x", "hi\n", "ticket", `"OS-1"`},
		{"cp -a", "echo echo hi > $T/x; setfattr -n user.foo -v y $T/x; cp -a $T/x analyzers/x && cat analyzers/x", "echo hi\n", "ticket", `"OS-1"`},
		{"chmod", "chmod +x analyzers/old && analyzers/old", "old\n", "ticket", `"OS-1"`},
		{"vim of an analyzer", vim + "-c '%s/old/new/' -c wq analyzers/old && bash analyzers/old; ls -A analyzers", "new\nold\n", "ticket", `"OS-1"`},
		{"sed -i of an analyzer", "sed -i s/old/new/ analyzers/old && bash analyzers/old; ls -A analyzers", "new\nold\n", "ticket", `"OS-1"`},
		{"mv of an analyzer", "mv analyzers/old analyzers/new.sh; ls analyzers; cat analyzers/*", "new.sh\necho old\n", "ticket", `"OS-1"`},
		{"rm of an analyzer", "rm analyzers/old; ls analyzers; cat analyzers/old", "cat: analyzers/old: No such file or directory\nexit status 1\n", "ticket", `"OS-1"`},
		{"our own name", "echo x > analyzers/.thothfs.x", "bash: line 1: analyzers/.thothfs.x: Invalid argument\nexit status 1\n", "ticket", `"OS-1"`},

		{"a foreign file", "echo x > by-hash/$A/notes", "bash: line 1: by-hash/" + hashA + "/notes: Read-only file system\nexit status 1\n", "ticket", `"OS-1"`},
		{"rm of a dump", "rm -f by-hash/$A/core.x.1; rmdir by-hash/$A", "rm: cannot remove 'by-hash/" + hashA + "/core.x.1': Read-only file system\nrmdir: failed to remove 'by-hash/" + hashA + "': Read-only file system\nexit status 1\n", "ticket", `"OS-1"`},
		{"write to a dump", "echo x >> by-hash/$A/core", "bash: line 1: by-hash/" + hashA + "/core: Read-only file system\nexit status 1\n", "ticket", `"OS-1"`},
	}
}
