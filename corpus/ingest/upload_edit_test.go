package ingest

import (
	"errors"
	"testing"
	"thothfs/corpus"
	"thothfs/dump/document"
	"thothfs/store/mem"
)

func TestUploadWithTicket(t *testing.T) {
	data := core(t)
	id := idOf(t, data)
	s := mem.New()
	c := open(t, options(t, s))
	o := Options{Ticket: "007", Set: []document.Edit{document.Set("properties.triage.engineer", "bmc"), document.Set("properties.n", "1")}}
	check := func(state State, puts int) {
		t.Helper()
		before := s.Calls(mem.Put)
		res, err := Upload(t.Context(), c, local(t, "core.1", data), o)
		if err != nil || res.State != state || s.Calls(mem.Put)-before != puts {
			t.Fatal(res, err, s.Calls(mem.Put)-before)
		}
		raw, _ := s.Data(infoKey(id))
		doc := document.Parse(raw)
		for path, want := range map[string]string{"ticket": `"` + o.Ticket + `"`, "properties.triage.engineer": `"bmc"`, "properties.n": "1"} {
			if v, _ := doc.Get(path); string(v.JSON()) != want {
				t.Errorf("%s is %s", path, v.JSON())
			}
		}
		wantCount(t, c, "ticket="+o.Ticket, 1)
	}
	check(Stored, 2) // the dump and its document, once each
	check(Present, 0)
	o.Ticket = "OS-1"
	check(Present, 1)
	s.Delete(id.String() + "/core.1")
	o.Ticket = "OS-2"
	check(Restored, 2)
}

// TestUploadRefusesEdits checks that invalid edits are detected before anything is sent.
func TestUploadRefusesEdits(t *testing.T) {
	data := core(t)
	for _, there := range []bool{false, true} {
		s := mem.New()
		if there {
			s.Set(infoKey(idOf(t, data)), []byte(`{"properties":{"source":{"time":"mtime"}}}`))
		}
		c := open(t, options(t, s))
		for want, e := range map[error]document.Edit{
			corpus.ErrReadOnlyField: document.Set("cmd", "x"),
			document.ErrEdit:        document.Set("properties.source.time.x", "y"),
			document.ErrAbsent:      {Path: "ticket", Value: []byte(`"x"`), If: document.IfPresent},
		} {
			_, err := Upload(t.Context(), c, local(t, "core.1", data), Options{Set: []document.Edit{e}})
			if !errors.Is(err, want) || s.Calls(mem.Put) != 0 {
				t.Errorf("there %v: %v, want %v; %d puts", there, err, want, s.Calls(mem.Put))
			}
		}
	}
}
