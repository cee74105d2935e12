// Package files reads small text files on a host, and writes them whole or as a marked block within
// a file that others own (SPEC.md section 12).
package files

import "strings"

const (
	blockBegin = "# <Added-by-NoRouter>"
	blockEnd   = "# </Added-by-NoRouter>"
	noNewline  = "# (no newline before this block)"
	noFile     = "# (no file before this block)"
	ownerBegin = "# (by "
	ownerEnd   = ")"
)

// item is a line of a file outside of blocks, or a block: whose it is (empty where it does not say),
// and what it changed about the text before it.
type item struct {
	lines []string
	block bool
	owner string
	note  string
	after int // the line that the note is, or would be
}

func newBlock(lines []string) item {
	b := item{lines: lines, block: true, after: 1}
	first := strings.TrimSpace(lines[1])
	if len(first) >= len(ownerBegin)+len(ownerEnd) &&
		strings.HasPrefix(first, ownerBegin) && strings.HasSuffix(first, ownerEnd) {
		b.owner = first[len(ownerBegin) : len(first)-len(ownerEnd)]
		b.after = 2
	}
	if note := strings.TrimSpace(lines[b.after]); note == noNewline || note == noFile {
		b.note = note
	}
	return b
}

// inherit takes over what a block that stood right before this one had changed.
func (b *item) inherit(note string) {
	if b.note == "" {
		b.note = note
		lines := append([]string(nil), b.lines[:b.after]...)
		b.lines = append(append(lines, note+"\n"), b.lines[b.after:]...)
	}
}

// content is what a file holds; nil for a file that is not there.
type content *string

// removeBlocks returns the text as it would be without the blocks whose owner goes: nil for a file
// that a block has made.
//
// A first marker without a second is no block: what follows it is not ours to take away.
func removeBlocks(text content, goes func(owner string) bool) content {
	if text == nil {
		return nil
	}
	var kept []item
	note := ""
	for _, each := range parse(*text) {
		switch {
		case !each.block:
			// Somebody has added lines after the block: what was before it is no longer the end.
			note = ""
		case goes(each.owner):
			if note == "" {
				note = each.note
			}
			continue
		case note != "":
			each.inherit(note)
			note = ""
		}
		kept = append(kept, each)
	}
	if note == noFile && len(kept) == 0 {
		return nil
	}
	var out strings.Builder
	for i, each := range kept {
		joined := strings.Join(each.lines, "")
		if i == len(kept)-1 && note == noNewline {
			joined = strings.TrimSuffix(joined, "\n")
		}
		out.WriteString(joined)
	}
	result := out.String()
	return &result
}

// appendBlock returns the text with a block at its end.
func appendBlock(text content, body, owner string) string {
	before, note := "", ""
	if text == nil {
		note = noFile + "\n"
	} else if before = *text; before != "" && !strings.HasSuffix(before, "\n") {
		before, note = before+"\n", noNewline+"\n"
	}
	by := ""
	if owner != "" {
		by = ownerBegin + owner + ownerEnd + "\n"
	}
	body = strings.TrimRight(body, " \t\r\n\v\f")
	return before + blockBegin + "\n" + by + note + body + "\n" + blockEnd + "\n"
}

func hasBlock(text string) bool {
	for _, each := range parse(text) {
		if each.block {
			return true
		}
	}
	return false
}

// parse returns the lines outside of blocks, and the blocks, in order.
func parse(text string) []item {
	var found []item
	var block []string
	giveUp := func() {
		for _, line := range block {
			found = append(found, item{lines: []string{line}})
		}
		block = nil
	}
	for _, line := range strings.SplitAfter(text, "\n") {
		if line == "" {
			break
		}
		switch word := strings.TrimSpace(line); {
		case word == blockBegin:
			giveUp()
			block = []string{line}
		case word == blockEnd && block != nil:
			found = append(found, newBlock(append(block, line)))
			block = nil
		case block != nil:
			block = append(block, line)
		default:
			found = append(found, item{lines: []string{line}})
		}
	}
	giveUp()
	return found
}
