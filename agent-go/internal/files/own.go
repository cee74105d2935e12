package files

import (
	"os"
	"path/filepath"
	"strings"
)

// ownDirectory is the name of a directory in which everything is norouter's, whichever agent created it.
const ownDirectory = ".norouter"

// OwnFiles are the files that an agent writes whole, which it removes at its end.
//
// Agents may share a directory: two hosts with one home, or the agent of a lost link and the next
// one. Each agent holds a shared lock on it, so that only the last one removes the files.
type OwnFiles struct {
	paths   map[string]map[string]bool // by directory
	locks   map[string]*os.File        // of directories; nil where locks do not work
	created map[string]bool            // directories
}

// NewOwnFiles returns an empty set of files.
func NewOwnFiles() *OwnFiles {
	return &OwnFiles{
		paths:   make(map[string]map[string]bool),
		locks:   make(map[string]*os.File),
		created: make(map[string]bool),
	}
}

// Write writes text to path, and returns the path as expanded and whether anything changed.
func (o *OwnFiles) Write(path, text string) (string, bool, error) {
	expanded, err := expand(path)
	if err != nil {
		return "", false, err
	}
	directory := filepath.Dir(expanded)
	if _, held := o.locks[directory]; !held {
		o.hold(directory)
	}
	expanded, changed, err := Write(path, text, "replace", "")
	if err != nil {
		return "", false, err
	}
	if o.paths[directory] == nil {
		o.paths[directory] = make(map[string]bool)
	}
	o.paths[directory][expanded] = true
	return expanded, changed, nil
}

func (o *OwnFiles) hold(directory string) {
	var lock *os.File
	// Another agent may end and remove the directory after it was found.
	for attempt := 0; attempt < 2 && lock == nil; attempt++ {
		o.create(directory)
		lock = lockAt(directory, tryShare)
	}
	o.locks[directory] = lock
}

// create creates a directory and those above it. If it fails, so does the write, which says why.
func (o *OwnFiles) create(directory string) {
	if _, err := os.Stat(directory); err == nil {
		return
	}
	if above := filepath.Dir(directory); above != directory {
		o.create(above)
	}
	if os.Mkdir(directory, 0o777) == nil {
		o.created[directory] = true
	}
}

// Remove removes the files, and the directories that this leaves empty. A file stays if norouter may not
// overwrite it, and a directory if it is neither created here nor in one of norouter's. Where locks
// do not work, this agent is taken for the last.
func (o *OwnFiles) Remove() {
	for directory, lock := range o.locks {
		if lock == nil || makeExclusive(lock) {
			for path := range o.paths[directory] {
				removeOwn(path)
			}
			o.removeDirectories(directory)
		}
		if lock != nil {
			lock.Close()
		}
	}
	*o = *NewOwnFiles()
}

func removeOwn(path string) {
	status, err := os.Lstat(path)
	if err != nil || status.Mode()&os.ModeSymlink != 0 {
		return
	}
	if text, err := readAll(path); err == nil && !isForeign(text) {
		os.Remove(path)
	}
}

func (o *OwnFiles) removeDirectories(directory string) {
	for o.created[directory] || isInOwnDirectory(directory) {
		if os.Remove(directory) != nil {
			return
		}
		directory = filepath.Dir(directory)
	}
}

func isInOwnDirectory(directory string) bool {
	for _, name := range strings.Split(filepath.ToSlash(directory), "/") {
		if name == ownDirectory {
			return true
		}
	}
	return false
}
