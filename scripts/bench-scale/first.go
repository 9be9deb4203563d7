package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

const (
	stepFirst         = "first index: mount from nothing, all documents read"
	stepFirstResident = "resident memory at its peak, after the first index"
	stepPublish       = "thothfs index, the catalogue is there: publish it"

	plainRequests = 32 // number of concurrent requests of the plain client
)

// firstIndex measures how long m takes to read every document, over the link unless the corpus is
// too large. The baseline is a plain HTTP client that reads the same objects and is given their
// names.
func (s *scale) firstIndex(ctx context.Context, m *machine) error {
	if s.n > s.firstUpTo {
		return s.indexNear(ctx, m)
	}
	names, err := s.readAll() // brings the documents into the page cache
	if err != nil {
		return err
	}
	r := Result{Step: stepFirst, Note: "plain: 32 parallel GETs of a plain client"}
	if r.Plain, err = s.timed(ctx, func(ctx context.Context) error { return getAll(ctx, m.host, names) }); err != nil {
		return err
	}
	err = s.measured(ctx, &r, func(ctx context.Context) error { return s.mountUntilRead(ctx, m) })
	if err == nil {
		r.Note += fmt.Sprintf("; %.2f times that", r.Thothfs/r.Plain)
	}
	s.add(r, err)
	if err != nil {
		return err
	}
	s.addResident(stepFirstResident, m)
	return m.unmount(ctx)
}

// indexNear builds the catalogue without the link.
func (s *scale) indexNear(ctx context.Context, m *machine) error {
	s.say("indexing without the link")
	far := s.site.near()
	defer far()
	took, err := s.timed(ctx, func(ctx context.Context) error { return m.verb(ctx, "index") })
	if err != nil {
		return err
	}
	s.say("that took %.0f ms", took)
	s.add(Result{Step: stepFirst, Note: fmt.Sprintf("not measured over the link; without it thothfs index took %.0f s", took/1000)}, nil)
	return nil
}

func (s *scale) mountUntilRead(ctx context.Context, m *machine) error {
	if err := m.mount(ctx); err != nil {
		return err
	}
	return until(ctx, "not all documents are read", func() (bool, error) {
		read, err := m.counter("corpus.dumps.read")
		return read >= s.n, err
	})
}

// readAll reads all documents from disk and returns the names of their directories.
func (m *material) readAll() ([]string, error) {
	f, err := os.Open(m.corpus())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	for _, name := range names {
		if err == nil {
			_, err = os.ReadFile(filepath.Join(m.corpus(), name, "info.json"))
		}
	}
	return names, err
}

// getAll reads the documents of dumps from the store, using only net/http.
func getAll(ctx context.Context, host string, names []string) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: plainRequests}}
	defer client.CloseIdleConnections()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(plainRequests)
	for _, name := range names {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return get(ctx, client, objectURL(host, name+"/info.json")) })
	}
	return group.Wait()
}

// objectURL returns the URL of the object at a key.
func objectURL(host, key string) string {
	return "http://" + host + "/" + account + "/stor/thoth/" + key
}

func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
