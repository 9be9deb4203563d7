package main

import "fmt"

// target is the intended time of a step on a corpus of the given size, over the usual link.
type target struct {
	dumps int
	text  string
}

const million = 1_000_000

// targets are shown in the table but not enforced.
var targets = map[string]target{
	stepFirst:     {100_000, "1.3 times plain"},
	stepSnapshot:  {million, "plain + 10000"},
	stepStart:     {million, "500"},
	stepList:      {million, "1500"},
	stepListAgain: {million, "300"},
	stepCmd:       {million, "100"},
	stepLong:      {million, "1000"},
	stepGlobAgain: {million, "2000"},
	stepVerb:      {million, "1000"},
	stepSorted:    {million, "1000"},
	stepLargest:   {million, "1000"},
	stepSignal:    {million, "1000"},
	stepSince:     {million, "1000"},
	stepComplete:  {million, "100"},
	stepReport:    {million, "1000"},
	stepScan:      {million, "8000"},

	stepVerb + withLog:   {million, "1000"},
	stepReport + withLog: {million, "1000"},
	stepScan + withLog:   {million, "8000"},

	stepResident: {million, "256 MiB"},
	stepCatchUp:  {million, "5000"},
	stepIdle:     {million, "3"},
	stepTicket:   {million, "1 poll"},
}

// at returns the target of a step on a corpus of n dumps, or "" if there is none.
func at(step string, n int) string {
	if t := targets[step]; t.dumps == n {
		return t.text
	}
	return ""
}

// anywhere returns the target of a step, with its corpus size unless that is a million.
func anywhere(step string) string {
	t, ok := targets[step]
	if !ok || t.dumps == million {
		return t.text
	}
	return fmt.Sprintf("%s (%d)", t.text, t.dumps)
}
