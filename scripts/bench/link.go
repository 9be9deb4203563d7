package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"thothfs/store/manta/mantatest"
)

// link is a line to the store.
type link struct {
	Name      string
	Latency   time.Duration // added to each request
	Bandwidth int64         // bytes per second for all connections together; 0 means no limit
}

func (l link) label() string { return l.Name }

// slow reports whether the link is slow. Slow links are measured with fewer tools, since all
// tools would take hours.
func (l link) slow() bool { return l.Latency >= 50*time.Millisecond }

func (l link) String() string {
	if l.Bandwidth == 0 {
		return fmt.Sprintf("%s (%v, unlimited)", l.Name, l.Latency)
	}
	return fmt.Sprintf("%s (%v, %d Mbit/s)", l.Name, l.Latency, l.Bandwidth*8/1e6)
}

var links = []link{
	{"lan", time.Millisecond, 0},
	{"wan", 20 * time.Millisecond, 500e6 / 8},
	{"far", 100 * time.Millisecond, 100e6 / 8},
}

// site is the store: a Manta and, for tools that do not support Manta, a plain HTTP server of the
// same files behind the same line.
type site struct {
	*mantatest.Server
	root       string // root directory of the Manta
	manta, web string // URLs
	servers    []*http.Server
}

// corpusDir returns the directory of account's corpus on the server.
func corpusDir(root, account string) string { return filepath.Join(root, account, "stor", "thoth") }

// account owns the corpus to which thothfs uploads.
const account = "bench"

// openSite serves the files below root until the site is closed.
func openSite(root string) (*site, error) {
	s, err := mantatest.New(mantatest.Options{Root: root})
	if err != nil {
		return nil, err
	}
	at := &site{Server: s, root: root}
	if err := os.MkdirAll(corpusDir(root, account), 0o755); err != nil {
		return nil, err
	}
	plain := &http.Server{Handler: s.Shape(http.FileServer(http.Dir(corpusDir(root, account)))), ReadHeaderTimeout: time.Minute}
	for url, h := range map[*string]*http.Server{&at.manta: s.HTTPServer(), &at.web: plain} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			at.close()
			return nil, err
		}
		*url = "http://" + l.Addr().String()
		at.servers = append(at.servers, h)
		go h.Serve(l) // ended by close
	}
	return at, nil
}

func (s *site) close() {
	for _, h := range s.servers {
		h.Close()
	}
}

func (s *site) shape(l link) {
	s.SetLatency(l.Latency)
	s.SetBandwidth(l.Bandwidth)
}

// settle returns when no request has arrived for a while, which means that the background work of
// a mount is done.
func (s *site) settle(l link) {
	quiet := max(4*l.Latency, 100*time.Millisecond)
	last, since := s.Counters().Total, time.Now()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && time.Since(since) < quiet; {
		time.Sleep(10 * time.Millisecond)
		if n := s.Counters().Total; n != last {
			last, since = n, time.Now()
		}
	}
}

// Check holds the properties of the line as measured by a plain HTTP client, to show that the
// line performs as specified.
type Check struct {
	Small      float64 // milliseconds for 100 bytes
	OneMbit    float64 // Mbit/s over one connection
	SharedMbit float64 // Mbit/s over 16 connections together
}

// check measures the line using the object at path, which has size bytes.
func (s *site) check(l link, path string, size int64) (Check, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	defer client.CloseIdleConnections()
	var small []float64
	for range 9 {
		d, err := fetch(client, s.manta+path, 100, io.Discard)
		if err != nil {
			return Check{}, err
		}
		small = append(small, milliseconds(d))
	}
	slices.Sort(small)
	c := Check{Small: small[len(small)/2]}
	total := min(size, 256<<20)
	if l.Bandwidth > 0 {
		total = min(total, l.Bandwidth) // one second
	}
	for connections, mbit := range map[int64]*float64{1: &c.OneMbit, 16: &c.SharedMbit} {
		begin := time.Now()
		if err := s.together(client, path, connections, total/connections); err != nil {
			return c, err
		}
		*mbit = float64(total) * 8 / 1e6 / (time.Since(begin) - l.Latency).Seconds()
	}
	return c, nil
}

// together fetches n bytes on each of the given number of connections at once.
func (s *site) together(client *http.Client, path string, connections, n int64) error {
	var wg sync.WaitGroup
	errs := make([]error, connections)
	for i := range errs {
		wg.Go(func() { _, errs[i] = fetch(client, s.manta+path, n, io.Discard) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// fetch copies the first n bytes of url to to.
func fetch(client *http.Client, url string, n int64, to io.Writer) (time.Duration, error) {
	begin := time.Now()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=0-%d", n-1))
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusPartialContent {
		return 0, fmt.Errorf("%s: %s", url, resp.Status)
	}
	_, err = io.Copy(to, resp.Body)
	return time.Since(begin), err
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
