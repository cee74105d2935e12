package files

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"norouter/agent/internal/identity"
)

const (
	backupSuffix = ".bak.norouter"
	maxRead      = 32 << 10 // of a file: as JSON, where one byte may take six, still a message

	// A file that another agent has locked is tried so often, after so long.
	lockAttempts   = 25
	lockRetryDelay = 20 * time.Millisecond

	temporaryInfix = ".norouter-"     // before 12 random hexadecimal digits
	staleAfter     = 60 * time.Second // no writer needs its temporary file for longer
)

// Error is a failure that is no error of the operating system.
type Error string

func (e Error) Error() string { return string(e) }

// Write writes text to path, and returns the path as expanded and whether anything changed (SPEC.md
// section 12). mode is replace, block or remove-block.
func Write(path, text, mode, owner string) (string, bool, error) {
	if mode != "replace" && mode != "block" && mode != "remove-block" {
		return "", false, Error("unknown mode '" + mode + "'")
	}
	expanded, err := expand(path)
	if err != nil {
		return "", false, err
	}
	if mode == "replace" {
		changed, err := replaceWhole(path, expanded, text)
		return expanded, changed, err
	}
	unlock := lock(expanded)
	defer unlock()
	old, err := readAll(expanded)
	if err != nil {
		return "", false, err
	}
	changed := removeBlocks(old, func(other string) bool {
		return other == "" || other == owner || identity.IsStale(other, owner)
	})
	if mode == "block" {
		if old != nil && !hasBlock(*old) {
			// A copy beside the file, as it was before our block.
			if err := replace(realPath(expanded+backupSuffix), []byte(*old), expanded); err != nil {
				return "", false, err
			}
		}
		added := appendBlock(changed, text, owner)
		changed = &added
	}
	done, err := writeIfChanged(expanded, realPath(expanded), old, changed)
	if done && err == nil && mode == "remove-block" {
		removeBackup(expanded, changed)
	}
	return expanded, done, err
}

// removeBackup removes the copy of a file that has the same content again.
func removeBackup(path string, text content) {
	backup, err := readAll(path + backupSuffix)
	if err == nil && backup != nil && text != nil && *backup == *text {
		os.Remove(path + backupSuffix)
	}
}

// replaceWhole makes a file, and its directory, hold exactly text. What is somebody else's is not
// replaced: a directory that was named by mistake loses nothing.
func replaceWhole(path, expanded, text string) (bool, error) {
	// Somebody else may have put a link there.
	if status, err := os.Lstat(expanded); err == nil && status.Mode()&os.ModeSymlink != 0 {
		return false, Error(path + ": a symbolic link")
	}
	old, err := readAll(expanded)
	if err == nil && isForeign(old) {
		return false, Error(path + ": the file exists and was not written by norouter")
	}
	if directory := filepath.Dir(expanded); err == nil {
		err = os.MkdirAll(directory, 0o777)
	}
	if err != nil {
		return false, err
	}
	return writeIfChanged(expanded, expanded, old, &text)
}

// isForeign reports whether there is a file with content that norouter did not write: the first line
// of those that it writes names it.
func isForeign(text content) bool {
	if text == nil || *text == "" {
		return false
	}
	first, _, _ := strings.Cut(*text, "\n")
	return !strings.Contains(strings.ToLower(first), "norouter")
}

// writeIfChanged writes to real, which is path without symbolic links, or path if none is followed.
func writeIfChanged(path, real string, before, after content) (bool, error) {
	if before == nil && after == nil || before != nil && after != nil && *before == *after {
		return false, nil
	}
	if after == nil {
		return true, os.Remove(path)
	}
	return true, replace(real, []byte(*after), path)
}

// Read returns the path as expanded, the first limit bytes of that file, and whether it holds more.
// It never waits for anybody: a FIFO or a device is refused.
func Read(path string, limit int64) (string, string, bool, error) {
	expanded, err := expand(path)
	if err != nil {
		return "", "", false, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
	}
	if limit < 1 {
		limit = 1
	}
	if limit > maxRead {
		limit = maxRead
	}
	file, err := openRegular(expanded, os.O_RDONLY)
	if err != nil {
		return "", "", false, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return "", "", false, err
	}
	if int64(len(data)) > limit {
		return expanded, string(data[:limit]), true, nil
	}
	return expanded, string(data), false, nil
}

// openRegular opens a regular file. A FIFO would keep a blocking open waiting for its writer.
func openRegular(path string, flags int) (*os.File, error) {
	file, err := os.OpenFile(path, flags|openNonBlock, 0)
	if err != nil {
		return nil, err
	}
	status, err := file.Stat()
	if err == nil && !status.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func readAll(path string) (content, error) {
	file, err := openRegular(path, os.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	text := string(data)
	return &text, nil
}

// lock keeps other agents that share a file away while it is read and written, and returns what
// lets them in again. A file that cannot be locked is written all the same: any reader can lock it.
func lock(path string) func() {
	file := lockAt(path, tryLock)
	return func() {
		if file != nil {
			file.Close()
		}
	}
}

// lockAt opens and locks a file or directory; its end is that of the lock. It returns nil if there is
// none, if it cannot be locked, and after half a second.
func lockAt(path string, try func(*os.File) (taken, hopeless bool)) *os.File {
	for attempt := 0; attempt < lockAttempts; attempt++ {
		file, err := os.OpenFile(path, os.O_RDONLY|openNonBlock, 0)
		if err != nil {
			return nil
		}
		taken, hopeless := try(file)
		if taken && isFileAt(file, path) {
			return file
		}
		file.Close()
		if hopeless {
			return nil
		}
		// Another holds it, or has put a new file in its place meanwhile.
		time.Sleep(lockRetryDelay)
	}
	return nil
}

func isFileAt(file *os.File, path string) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(opened, there)
}

// overwriteErrors are why a file may not be renamed onto and yet be written: it is a mount of its
// own, as a container's /etc/hosts is, or its directory is not ours.
var overwriteErrors = []error{
	syscall.EBUSY, syscall.EXDEV, syscall.EACCES, syscall.EPERM, syscall.EROFS,
}

// replace makes a file hold data: atomically where the system lets us, else in place. Permissions
// and owner are those of like, if that is there.
func replace(path string, data []byte, like string) error {
	removeStaleTemporaries(path)
	temporary := path + temporaryInfix + randomHex()
	err := writeNew(temporary, data, like)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err == nil {
		return nil
	}
	os.Remove(temporary)
	if _, missing := os.Stat(path); missing == nil {
		for _, each := range overwriteErrors {
			if errors.Is(err, each) {
				return overwrite(path, data)
			}
		}
	}
	return &os.PathError{Op: "write", Path: path, Err: rootCause(err)}
}

// removeStaleTemporaries removes what a process that was killed while it replaced path has left.
func removeStaleTemporaries(path string) {
	found, _ := filepath.Glob(quoteGlob(path) + temporaryInfix + strings.Repeat("[0-9a-f]", 12))
	for _, stale := range found {
		status, err := os.Lstat(stale)
		if err == nil && time.Since(status.ModTime()) > staleAfter {
			os.Remove(stale)
		}
	}
}

func quoteGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func rootCause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

func randomHex() string {
	var random [6]byte
	_, _ = rand.Read(random[:])
	return hex.EncodeToString(random[:])
}

// realPath follows symbolic links as far as they lead to something.
func realPath(path string) string {
	for hops := 0; hops < 40; hops++ {
		target, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return path
}

func writeNew(path string, data []byte, like string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := copyOwner(file, like); err != nil {
		return err
	}
	if _, err := file.Write(data); err != nil {
		return err
	}
	return file.Sync()
}

func copyOwner(file *os.File, like string) error {
	status, err := os.Stat(like)
	if err != nil {
		return file.Chmod(0o644) // a new file
	}
	if err := file.Chmod(status.Mode() & (os.ModePerm | os.ModeSetuid | os.ModeSetgid | os.ModeSticky)); err != nil {
		return err
	}
	return chownLike(file, status)
}

// overwrite writes a file in place. It is never emptied first: a program that reads it meanwhile, or is
// left with it if this process is killed in the middle, finds what is common to the old text and
// the new one. That is all that a block at the end was put behind.
func overwrite(path string, data []byte) error {
	file, err := openRegular(path, os.O_RDWR|openNoFollow)
	if err != nil {
		return err
	}
	defer file.Close()
	var old bytes.Buffer
	if _, err := old.ReadFrom(file); err != nil {
		return err
	}
	if err := writeInPlace(file, data); err != nil {
		_ = writeInPlace(file, old.Bytes())
		return err
	}
	return nil
}

func writeInPlace(file *os.File, data []byte) error {
	if _, err := file.WriteAt(data, 0); err != nil {
		return err
	}
	return file.Truncate(int64(len(data)))
}
