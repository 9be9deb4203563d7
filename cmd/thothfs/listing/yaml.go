package listing

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"iter"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"thothfs/cmd/thothfs/output"
	"thothfs/corpus"
	"thothfs/dump/document"
)

// writeYAML prints the documents of dumps as a list, each beginning with its hash as "id".
func writeYAML(w io.Writer, dumps iter.Seq2[*corpus.Dump, error]) error {
	out := bufio.NewWriter(w)
	var failed error
	n := 0
	for d, err := range dumps {
		if failed = err; err != nil {
			break
		}
		var text bytes.Buffer
		e := yaml.NewEncoder(&text)
		e.SetIndent(2)
		doc := document.Parse(output.WithID(d)).Value()
		if failed = e.Encode(&yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{yamlNode(doc)}}); failed != nil {
			break
		}
		if _, err := out.Write(output.EscapeYAML(text.Bytes())); err != nil {
			return err
		}
		n++
	}
	if n == 0 {
		out.WriteString("[]\n")
	}
	return cmp.Or(failed, out.Flush())
}

// yamlNode returns a value with its members in their order and its numbers as written.
func yamlNode(v document.Value) *yaml.Node {
	switch v.Kind() {
	case document.KindObject:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for key, member := range v.Members() {
			n.Content = append(n.Content, yamlText(key), yamlNode(member))
		}
		return n
	case document.KindArray:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for e := range v.Elements() {
			n.Content = append(n.Content, yamlNode(e))
		}
		return n
	case document.KindString:
		return yamlText(v.Text())
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: v.Text()}
}

// reserved matches texts that readers of YAML 1.1 take for something else than a string, and that the
// library does not quote.
var reserved = regexp.MustCompile(`^(?i:y|yes|n|no|on|off|<<|=|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)$`)

// yamlText returns a string. One with control characters, or others that output.EscapeYAML escapes, is in
// double quotes, where YAML has escapes.
func yamlText(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.ToValidUTF8(s, "\ufffd")}
	isControl := func(r rune) bool { return r < ' ' && r != '\n' }
	if reserved.MatchString(n.Value) || !output.IsPlain(n.Value) || strings.ContainsFunc(n.Value, isControl) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
