package main

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"thothfs/dump"
)

// maxBeside is how many objects beside a dump are looked at for its program.
const maxBeside = 64

// maxNote is how many bytes of a file's notes are looked at for its build-id.
const maxNote = 64 << 10

// executable is the program of a dump as it was found.
type executable struct {
	path string // "" when there is none
	how  string // how it was found, for people
	not  string // what was found but is another build, for people; "" nothing
}

// findExecutable looks for the program that dumped core: among the objects beside the
// dump (whose path this is), at the path that the dump tells, and at the debuginfod
// servers that are configured. A file whose build-id is not that of the dump is not
// taken.
func (a *app) findExecutable(ctx context.Context, path string, info *dump.Info) executable {
	beside := executableBeside(path, info)
	if beside.path != "" {
		return beside
	}
	recorded := recordedExecutable(info)
	if recorded.path == "" {
		recorded.not = cmp.Or(beside.not, recorded.not)
		if served := a.fromDebuginfod(ctx, "executable", info); served != "" {
			recorded.path, recorded.how = served, "from debuginfod"
		}
	}
	return recorded
}

// executableBeside looks at the regular files of the dump's directory: the one of the
// dump's build-id, else the one of the program's name if its build-id is not another.
func executableBeside(path string, info *dump.Info) executable {
	dir := filepath.Dir(path)
	entries, _ := os.ReadDir(dir)
	var named executable
	looked := 0
	for _, e := range entries {
		file := filepath.Join(dir, e.Name())
		if !e.Type().IsRegular() || e.Name() == filepath.Base(path) || looked == maxBeside {
			continue
		}
		looked++
		switch same := sameBuild(file, info.BuildID, info); {
		case same == yes:
			return executable{path: file, how: "beside the dump, by its build-id"}
		case !isNamed(e.Name(), info):
		case same == no:
			named.not = otherBuild(file)
		case same == unknown:
			named = executable{path: file, how: "beside the dump, by its name: the build-ids cannot be compared"}
		}
	}
	return named
}

// isNamed tells whether a file is called as the program was.
func isNamed(base string, info *dump.Info) bool {
	return base != "" && (base == filepath.Base(info.Executable) || base == info.Cmd)
}

// recordedExecutable is the program at the path that the dump tells, if it is on this
// machine and not another build of it.
func recordedExecutable(info *dump.Info) executable {
	candidates := []string{info.Executable}
	if arg0, _, _ := strings.Cut(info.Psargs, " "); arg0 != info.Executable {
		candidates = append(candidates, arg0)
	}
	var found executable
	for _, path := range candidates {
		if !filepath.IsAbs(path) {
			continue
		}
		switch same := sameBuild(path, info.BuildID, info); {
		case same == yes:
			return executable{path: path, how: "as recorded, of the dump's build-id"}
		case same == no:
			found.not = otherBuild(path)
		case same == unknown && found.path == "" && info.OS == runtime.GOOS:
			found = executable{path: path, how: "as recorded: the build-ids cannot be compared"}
		}
	}
	return found
}

// executableOf is the path of recordedExecutable.
func executableOf(info *dump.Info) string { return recordedExecutable(info).path }

func otherBuild(path string) string {
	return path + " is another build than the dump's, and not used"
}

// likeness is whether a file is the build that a dump had mapped.
type likeness string

const (
	yes     likeness = "same"
	no      likeness = "other"
	unknown likeness = "unknown" // one of them has no build-id
	absent  likeness = "absent"  // or no program or library at all
)

// sameBuild compares a file with a build-id of a dump.
func sameBuild(path, want string, info *dump.Info) likeness {
	id, machine, err := buildID(path)
	switch {
	case err != nil:
		return absent
	case id != "" && want != "" && id == want:
		return yes
	case id != "" && want != "", info.ELF != nil && machine != elf.Machine(info.ELF.Machine):
		return no
	}
	return unknown
}

// buildID is the GNU build-id of an ELF file that is a program or a library, in hex, ""
// when it has none.
func buildID(path string) (id string, machine elf.Machine, err error) {
	fi, err := os.Stat(path) // a device or a fifo must not be opened
	if err != nil {
		return "", 0, err
	}
	if !fi.Mode().IsRegular() {
		return "", 0, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := elf.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return "", 0, errors.New("neither a program nor a library")
	}
	for _, notes := range noteReaders(f) {
		text, err := io.ReadAll(io.LimitReader(notes, maxNote))
		if err != nil {
			return "", 0, err
		}
		if id := gnuBuildID(text, f); id != "" {
			return id, f.Machine, nil
		}
	}
	return "", f.Machine, nil
}

// noteReaders are the notes of a file: by its segments, and by the section's name, for
// Go's linker makes no segment of that.
func noteReaders(f *elf.File) []io.Reader {
	var readers []io.Reader
	for _, p := range f.Progs {
		if p.Type == elf.PT_NOTE {
			readers = append(readers, p.Open())
		}
	}
	if s := f.Section(".note.gnu.build-id"); s != nil {
		readers = append(readers, s.Open())
	}
	return readers
}

// gnuBuildID finds NT_GNU_BUILD_ID among notes: sizes of name and descriptor, type, and
// both, each padded to 4 bytes (elf(5)).
func gnuBuildID(notes []byte, f *elf.File) string {
	const ntGNUBuildID = 3
	for len(notes) >= 12 {
		name, desc, typ := f.ByteOrder.Uint32(notes), f.ByteOrder.Uint32(notes[4:]), f.ByteOrder.Uint32(notes[8:])
		at := 12 + (uint64(name)+3)&^3
		end := at + uint64(desc)
		if end > uint64(len(notes)) {
			return ""
		}
		if typ == ntGNUBuildID && bytes.Equal(notes[12:12+name], []byte("GNU\x00")) {
			return hex.EncodeToString(notes[at:end])
		}
		notes = notes[min((end+3)&^3, uint64(len(notes))):]
	}
	return ""
}
