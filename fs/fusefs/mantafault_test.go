package fusefs

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"thothfs/store"
	"thothfs/store/manta"
	"thothfs/store/manta/mantatest"
	"thothfs/store/mem"
)

// TestFaultLoopOverManta is the fault loop over HTTP: for every n, the n-th request to Manta fails,
// either once or from then on. Without Retry every fault reaches the mount.
func TestFaultLoopOverManta(t *testing.T) {
	content := noise(9, 300_000)
	stalls := make(chan struct{})
	close(stalls) // a stall that ends immediately: the body arrives in two parts
	for name, fault := range map[string][]mantatest.Action{
		"reset":         {mantatest.Reset()},
		"503":           {mantatest.AnswerError(503, "ServiceUnavailable", "no")},
		"denied":        {mantatest.AnswerError(403, "AuthorizationFailed", "no")},
		"an HTML page":  {mantatest.Answer(500, map[string]string{"Content-Type": "text/html"}, "<html>")},
		"cut":           {mantatest.CutAt(20)},
		"whole":         {mantatest.WholeForRange()},
		"another range": {mantatest.WithHeader("Content-Range", "bytes 1-2/3")},
		"in two parts":  {mantatest.StallAt(5, stalls)},
	} {
		for _, times := range []int{1, 0} {
			t.Run(fmt.Sprintf("%s, %d times", name, times), func(t *testing.T) {
				t.Parallel()
				for n, met := 1, true; met; n++ {
					met = useMantaUnder(t, content, mantatest.On{Nth: n, Times: times}, fault)
				}
			})
		}
	}
}

// useMantaUnder uses a mount while Manta has a fault, and again without the fault. It reports
// whether any request was affected.
func useMantaUnder(t *testing.T, content []byte, on mantatest.On, fault []mantatest.Action) bool {
	srv := mantatest.Start(t, mantatest.Options{})
	s, err := manta.Open(manta.Options{URL: srv.URL, Account: "u", NoAuth: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	from := mem.New()
	threeDumps(t)(from)
	oneDump(t, content)(from)
	for _, key := range from.Keys() {
		data, _ := from.Data(key)
		if _, err := s.Put(t.Context(), store.Ref{Key: key}, bytes.NewReader(data), int64(len(data))); err != nil {
			t.Fatal(err)
		}
	}
	var met atomic.Bool
	c, mnt := mountCorpus(t, s, openCache(t, s))
	heal := srv.Fault(on, append(slices.Clone(fault), mantatest.Before(func() { met.Store(true) }))...)
	c.Sync(t.Context(), nil)
	for _, err := range useMount(t, mnt, content) {
		var errno syscall.Errno
		if !errors.As(err, &errno) || !slices.Contains(allowed, errno) {
			t.Errorf("request %d: %v", on.Nth, err)
		}
	}
	heal()
	if err := c.Sync(t.Context(), nil); err != nil {
		t.Errorf("request %d, healed: %v", on.Nth, err)
	}
	eventually(t, "everything is right again", func() bool { return len(useMount(t, mnt, content)) == 0 })
	return met.Load()
}
