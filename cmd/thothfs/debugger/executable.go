package debugger

import (
	"cmp"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"thothfs/dump"
)

const (
	maxBeside = 64       // maximum number of files beside a dump to consider as its program
	maxNote   = 64 << 10 // maximum number of bytes of notes to search for a build ID
)

// Executable is the result of a search for the program or kernel of a dump.
type Executable struct {
	Path     string // "" if none was found
	How      string // where it was found, for messages
	Rejected string // a message about a file from another build, or ""
}

// Inspect returns the information contained in the dump at path.
func Inspect(path string) (*dump.Info, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := dump.Inspect(f, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return info, nil
}

// openRegular opens a regular file and returns its size. Opening a device or a FIFO could block.
func openRegular(path string) (*os.File, int64, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !fi.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	return f, fi.Size(), err
}

// FindProgram returns the kernel for a kernel dump, or the program that dumped core. For illumos it
// returns the zero Executable, since mdb finds both in the dump.
func FindProgram(ctx context.Context, path string, info *dump.Info) Executable {
	switch {
	case info.OS == "illumos":
		return Executable{}
	case info.Type == dump.Crash:
		return FindVMLinux(ctx, path, info)
	}
	return FindExecutable(ctx, path, info)
}

// FindExecutable returns the program whose core dump is at path: a file beside the dump, the file
// at the path recorded in the dump, or one from the servers in $DEBUGINFOD_URLS. It rejects files
// from another build.
func FindExecutable(ctx context.Context, path string, info *dump.Info) Executable {
	beside := executableBeside(path, info)
	if beside.Path != "" {
		return beside
	}
	recorded := recordedExecutable(info)
	if recorded.Path == "" {
		recorded.Rejected = cmp.Or(beside.Rejected, recorded.Rejected)
		recorded.addServed(ctx, "executable", info)
	}
	return recorded
}

// addServed fetches the file of the given kind (executable or debuginfo) with debuginfod-find from
// the servers in $DEBUGINFOD_URLS and sets e to it, if they have it.
func (e *Executable) addServed(ctx context.Context, kind string, info *dump.Info) {
	if os.Getenv("DEBUGINFOD_URLS") == "" || info.BuildID == "" {
		return
	}
	out, err := exec.CommandContext(ctx, "debuginfod-find", kind, info.BuildID).Output()
	path := strings.TrimSpace(string(out))
	if err == nil && filepath.IsAbs(path) && CompareBuild(path, info.BuildID, info) == Same {
		e.Path, e.How = path, "from debuginfod"
	}
}

// executableBeside returns the regular file in the dump's directory with the dump's build ID. If
// there is none, it returns the file with the program's name, unless that is from another build.
func executableBeside(path string, info *dump.Info) Executable {
	isNamed := func(file string, _ BuildMatch) bool {
		return filepath.Base(file) == filepath.Base(info.Executable) || filepath.Base(file) == info.Cmd
	}
	return choose(regularBeside(path, "*"), info, isNamed, "beside the dump, by its build-id", "beside the dump, by its name: the build-ids cannot be compared")
}

// recordedExecutable returns the file at the path recorded in the dump, unless it is from another
// build.
func recordedExecutable(info *dump.Info) Executable {
	var paths []string
	arg0, _, _ := strings.Cut(info.Psargs, " ")
	for _, path := range []string{info.Executable, arg0} {
		if filepath.IsAbs(path) {
			paths = append(paths, path)
		}
	}
	isHere := func(_ string, match BuildMatch) bool { return match == Other || info.OS == runtime.GOOS }
	return choose(paths, info, isHere, "as recorded, of the dump's build-id", "as recorded: the build-ids cannot be compared")
}

// regularBeside returns the first regular files beside the dump whose names match pattern. path is ""
// if the dump is not a file on this machine.
func regularBeside(path, pattern string) []string {
	if path == "" {
		return nil
	}
	var paths []string
	beside, _ := os.ReadDir(filepath.Dir(path))
	for _, e := range beside {
		if ok, _ := filepath.Match(pattern, e.Name()); ok && e.Type().IsRegular() && e.Name() != filepath.Base(path) && len(paths) < maxBeside {
			paths = append(paths, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	return paths
}

// choose returns the file of the dump's build or, if there is none, the first plausible file whose
// build ID cannot be compared with the dump's. It rejects plausible files from another build.
func choose(paths []string, info *dump.Info, plausible func(string, BuildMatch) bool, how, howUnknown string) Executable {
	var found Executable
	for _, path := range paths {
		switch match := CompareBuild(path, info.BuildID, info); {
		case match == Same:
			return Executable{Path: path, How: how}
		case !plausible(path, match):
		case match == Other && found.Rejected == "":
			found.Rejected = path + " is another build than the dump's, and not used"
		case match == Unknown && found.Path == "":
			found.Path, found.How = path, howUnknown
		}
	}
	return found
}

// BuildMatch is the result of comparing the build of a file with a build ID.
type BuildMatch string

const (
	Same    BuildMatch = "same"
	Other   BuildMatch = "other"
	Unknown BuildMatch = "unknown" // at least one side has no build ID
	Absent  BuildMatch = "absent"  // there is no program or library at the path
)

// CompareBuild compares the build ID of the file at path with want, a build ID from the dump info.
func CompareBuild(path, want string, info *dump.Info) BuildMatch {
	id, machine, err := buildID(path)
	switch {
	case err != nil:
		return Absent
	case id != "" && want != "" && id == want:
		return Same
	case id != "" && want != "", info.ELF != nil && machine != info.ELF.Machine:
		return Other
	}
	return Unknown
}

// buildID returns the GNU build ID of a program or library in hexadecimal, or "" if it has none.
func buildID(path string) (id string, machine elf.Machine, err error) {
	file, _, err := openRegular(path)
	if err != nil {
		return "", 0, err
	}
	defer file.Close()
	f, err := elf.NewFile(file)
	if err != nil {
		return "", 0, err
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return "", 0, errors.New("neither a program nor a library")
	}
	for _, notes := range noteReaders(f) {
		text, err := io.ReadAll(io.LimitReader(notes, maxNote))
		if err != nil {
			return "", 0, err
		}
		if id := dump.GNUBuildID(text, f.ByteOrder); id != "" {
			return id, f.Machine, nil
		}
	}
	return "", f.Machine, nil
}

// noteReaders returns readers for a file's notes. It also looks for the section by name, because
// Go's linker creates no segment for it.
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
