// Package query implements the language of dump specifications: parsing, printing and matching.
//
// A specification is a list of constraints separated by blanks. A dump must satisfy all of
// them. Verbs take one on the command line; in the mount, one names a directory below query/ or
// narrows a view:
//
//	type=core cmd=svc* ticket=undefined mtime=6h limit=20
//
// docs/specifications.md describes the language. In short, a constraint is PATH=VALUE, split at the
// first operator. PATH is the name of a property, such as "cmd" or "triage.engineer". VALUE is
// compared with the text of the value there: a string itself, a number as written, true, false, or an
// object as compact JSON. An array (the stack) matches if one of its elements does.
//
//   - "*" matches any characters, including newlines, and "?" matches exactly one. A pattern
//     must match the whole value.
//   - undefined: the property is not set, or is null; defined: it is set.
//   - PATH!=VALUE selects what PATH=VALUE does not, dumps without the property included.
//   - PATH=A,PATH=B selects what PATH=A or PATH=B does. A comma that is not followed by the same
//     path and an operator is part of the value.
//   - PATH>VALUE, >=, < and <= compare numbers if VALUE is one, and else bytes. A number may
//     have a unit: K, M, G, T or P, which are powers of 1024.
//   - PATH=LOW..HIGH for the fields whose values are numbers (see [IsNumber]): both ends are in
//     the range, and one may be left out.
//   - mtime=AGE (or time=AGE): the dump is at most that old; otime=AGE: it is older.
//     Together they leave no gap and do not overlap. They compare the time of the dump;
//     a dump without one matches neither. AGE is a number and a unit (see
//     [ParseAge]), or a moment: 2013-07-11 or 2013-07-11T18:00:00Z. time=FROM..TO and
//     comparisons of time mean the same, and a day is in them to its end.
//   - limit=N: at most the N newest dumps.
//   - dump=stdin (also dumps=stdin, name=stdin): the identifiers on standard input.
//   - A word without an operator is an identifier: a hash, a prefix of a hash, or the
//     path of a local dump. There is at most one.
//   - A backslash makes the next character an ordinary one, so that every value can be
//     written: "psargs=sh\ -c", "cmd=a\*", "ticket=\undefined", "\limit=3".
//
// The path "id" is the dump's hash. If a document has no such member, it is the last part of
// "name".
//
// The package is pure: nothing in it blocks, keeps state or starts a goroutine, and its values
// are safe for concurrent use.
package query
