package query

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// numbers are the fields whose values are numbers. Their values may be written with units, and
// their ranges as LOW..HIGH. The values of other fields may contain two dots.
var numbers = [...]string{"size", "threads", "uid", "gid", "ppid"}

// IsNumber reports whether the values of a field are known to be numbers.
func IsNumber(path string) bool {
	for _, p := range numbers {
		if p == path {
			return true
		}
	}
	return false
}

// Number is a number in the value of a property or in a specification. Integers are exact.
type Number struct {
	Int      int64
	Float    float64 // used if Fraction
	Fraction bool    // not an integer, or one that does not fit Int
}

// parseNumber parses a number as JSON writes it.
func parseNumber(s string) (Number, bool) {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || digits[0] < '0' || digits[0] > '9' || strings.Trim(digits, "0123456789.eE+-") != "" {
		return Number{}, false
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return Number{Int: n}, true
	}
	f, err := strconv.ParseFloat(s, 64)
	return numberOf(f), err == nil
}

func numberOf(f float64) Number {
	if f == math.Trunc(f) && math.Abs(f) < 1<<63 {
		return Number{Int: int64(f)}
	}
	return Number{Float: f, Fraction: true}
}

func (n Number) compare(m Number) int {
	if !n.Fraction && !m.Fraction {
		return cmp.Compare(n.Int, m.Int)
	}
	return cmp.Compare(n.float(), m.float())
}

func (n Number) float() float64 {
	if n.Fraction {
		return n.Float
	}
	return float64(n.Int)
}

// parseSize parses a number that may have a unit: K, M, G, T or P, which are powers of 1024. KiB
// and so on mean the same.
func parseSize(s string) (Number, bool) {
	if n, ok := parseNumber(s); ok {
		return n, true
	}
	text := strings.ToUpper(s)
	text = strings.TrimSuffix(text, "IB")
	i := len(text) - 1
	if i < 1 {
		return Number{}, false
	}
	power := strings.IndexByte("KMGTP", text[i])
	n, ok := parseNumber(text[:i])
	if power < 0 || !ok || strings.ContainsAny(text[:i], "E") {
		return Number{}, false
	}
	unit := int64(1) << (10 * (power + 1))
	if !n.Fraction && n.Int <= math.MaxInt64/unit && n.Int >= math.MinInt64/unit {
		return Number{Int: n.Int * unit}, true
	}
	return numberOf(n.float() * float64(unit)), true
}

// Bound is one end of a range.
type Bound struct {
	Text   string // as written, without escapes
	Number Number // used if IsNumber
	// IsNumber means that the bound is compared with numbers only, by their values. Otherwise it is
	// compared with any text, byte by byte.
	IsNumber bool
	Open     bool // the bound itself is not in the range
}

func (b *Bound) equal(c *Bound) bool { return b == c || b != nil && c != nil && *b == *c }

// compare compares a text with the bound. ok is false if they cannot be compared.
func (b *Bound) compare(text string) (order int, ok bool) {
	if !b.IsNumber {
		return strings.Compare(text, b.Text), true
	}
	n, ok := parseNumber(text)
	return n.compare(b.Number), ok
}

// parseBound parses the end of a range. raw may contain escapes; with escapes it is a text.
func parseBound(path, raw string, open bool) (*Bound, error) {
	b := &Bound{Text: unescape(raw), Open: open}
	if b.Text == "" {
		return nil, errors.New("a value is missing")
	}
	if strings.Contains(raw, `\`) {
		return b, nil
	}
	b.Number, b.IsNumber = parseSize(raw)
	if !b.IsNumber && (IsNumber(path) || isDecimalSize(raw)) {
		return nil, fmt.Errorf("%q is not a number", raw)
	}
	return b, nil
}

// isDecimalSize reports whether s is a number with a unit such as GB, which some take for a power of
// 1000 and others for a power of 1024.
func isDecimalSize(s string) bool {
	n := len(s) - 1
	if n < 1 || s[n] != 'B' && s[n] != 'b' {
		return false
	}
	_, ok := parseSize(s[:n])
	return ok
}

const numberHint = "as in size=1G, size=1G..4G or 'size>=512M'; K, M, G and T are powers of 1024"

// rangeOf returns the constraint for the range LOW..HIGH, or false if raw is not one.
func rangeOf(path, raw string) (c Constraint, ok bool, err error) {
	low, high, ok := strings.Cut(raw, "..")
	if !ok || low == "" && high == "" {
		return c, false, nil
	}
	c = Constraint{Path: path, Op: OpRange}
	if low != "" {
		c.Low, err = parseBound(path, low, false)
	}
	if high != "" && err == nil {
		c.High, err = parseBound(path, high, false)
	}
	return c, true, err
}

// numberConstraint returns the constraint for the value of a field whose values are numbers.
func numberConstraint(path, raw string) (Constraint, error) {
	if c, ok, err := rangeOf(path, raw); ok {
		return c, err
	}
	b, err := parseBound(path, raw, false)
	if err != nil {
		return Constraint{}, err
	}
	if _, plain := parseNumber(raw); !plain {
		if b.Number.Fraction {
			return Constraint{}, fmt.Errorf("%q is not a whole number", raw)
		}
		raw = strconv.FormatInt(b.Number.Int, 10)
	}
	return Constraint{Path: path, Op: OpEqual, Value: raw}, nil
}

// between reports whether a text is in the range of an OpRange.
func (c *Constraint) between(text string) bool {
	if c.Low != nil {
		if order, ok := c.Low.compare(text); !ok || order < 0 || order == 0 && c.Low.Open {
			return false
		}
	}
	if c.High != nil {
		if order, ok := c.High.compare(text); !ok || order > 0 || order == 0 && c.High.Open {
			return false
		}
	}
	return true
}

// printRange returns the operator and the value of an OpRange.
func (c *Constraint) printRange() string {
	switch {
	case c.Not, c.Low != nil && c.High != nil:
		op, low, high := "=", "", ""
		if c.Not {
			op = "!="
		}
		if c.Low != nil {
			low = c.Low.Text
		}
		if c.High != nil {
			high = c.High.Text
		}
		return op + low + ".." + high
	case c.Low != nil:
		return ">" + printBound(c.Path, c.Low)
	}
	return "<" + printBound(c.Path, c.High)
}

// printBound returns the value of a comparison, after the rest of the operator.
func printBound(path string, b *Bound) string {
	text, op := escapeValue(b.Text), "="
	if b.Open {
		op = ""
	}
	_, isSize := parseSize(text)
	if !b.IsNumber && (isSize || isDecimalSize(text) || IsNumber(path)) && !strings.Contains(text, `\`) {
		text = `\` + text
	}
	return op + text
}
