package debugger

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"regexp"
	"slices"
	"strconv"

	"thothfs/dump"
)

// maxThreadFrames is the maximum number of frames of one thread in Threads.
const maxThreadFrames = 64

// ThreadStack is the stack of one thread, with frames in Thoth's form.
type ThreadStack struct {
	TID    int
	Frames []string
}

// Threads returns the stacks of all threads of the process whose core is at path, read by gdb or else
// eu-stack. The thread that died is the first. If ctx ends, it returns those that were read until then.
// It fails for the dump of a kernel.
func Threads(ctx context.Context, path string, info *dump.Info) ([]ThreadStack, error) {
	if info.Type == dump.Crash {
		return nil, errors.New("the dump of a kernel has no threads of a process")
	}
	exe := FindExecutable(ctx, path, info).Path
	err := errNoStackTool
	for _, tool := range []struct {
		name string
		read func(context.Context, string, string, *dump.Info) ([]ThreadStack, error)
	}{{"gdb", gdbThreads}, {"eu-stack", euThreads}} {
		if _, notFound := exec.LookPath(tool.name); notFound != nil {
			continue
		}
		threads, failed := tool.read(ctx, path, exe, info)
		if len(threads) > 0 {
			return diedFirst(threads, info), nil
		}
		err = failed
		if err == nil {
			err = errors.New(tool.name + " found no threads")
		}
	}
	return nil, err
}

// diedFirst moves the thread that died, the first one of the dump, to the front.
func diedFirst(threads []ThreadStack, info *dump.Info) []ThreadStack {
	if len(info.Threads) == 0 {
		return threads
	}
	i := slices.IndexFunc(threads, func(t ThreadStack) bool { return t.TID == info.Threads[0].TID })
	if i <= 0 {
		return threads
	}
	first := threads[i]
	return slices.Insert(slices.Delete(threads, i, i+1), 0, first)
}

func gdbThreads(ctx context.Context, path, exe string, info *dump.Info) ([]ThreadStack, error) {
	out, err := runGDB(ctx, path, exe, info, "thread apply all -ascending -s frame apply "+strconv.Itoa(maxThreadFrames)+" -s thothfs_frame")
	return splitThreads(out, gdbThread, func(out []byte) []string { return parseGDBFrames(out, info.Modules) }), err
}

func euThreads(ctx context.Context, path, exe string, info *dump.Info) ([]ThreadStack, error) {
	out, err := runEUStack(ctx, path, exe, maxThreadFrames)
	return splitThreads(out, euThread, func(out []byte) []string { return parseEUFrames(out, info.Modules) }), err
}

var (
	gdbThread = regexp.MustCompile(`(?m)^Thread \d+ \(.*?(?:LWP|process) (\d+)\).*:$`)
	euThread  = regexp.MustCompile(`(?m)^TID (\d+):$`)
)

// splitThreads returns a thread for each line that head matches, with the frames in the lines that follow
// it.
func splitThreads(out []byte, head *regexp.Regexp, parse func([]byte) []string) (threads []ThreadStack) {
	heads := head.FindAllSubmatchIndex(out, -1)
	for i, h := range heads {
		end := len(out)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		t := ThreadStack{Frames: parse(bytes.TrimSpace(out[h[1]:end]))}
		t.TID, _ = strconv.Atoi(string(out[h[2]:h[3]]))
		if len(t.Frames) > 0 {
			threads = append(threads, t)
		}
	}
	return threads
}
