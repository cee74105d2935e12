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
			if err := replace(expanded+backupSuffix, []byte(*old), expanded); err != nil {
				return "", false, err
			}
		}
		added := appendBlock(changed, text, owner)
		changed = &added
	}
	done, err := writeIfChanged(expanded, old, changed)
	return expanded, done, err
}

// replaceWhole makes a file, and its directory, hold exactly text. What is somebody else's is not
// replaced: a directory that was named by mistake loses nothing.
func replaceWhole(path, expanded, text string) (bool, error) {
	old, err := readAll(expanded)
	if err == nil && old != nil && *old != "" {
		first, _, _ := strings.Cut(*old, "\n")
		if !strings.Contains(strings.ToLower(first), "norouter") {
			return false, Error(path + ": the file exists and was not written by norouter")
		}
	}
	if directory := filepath.Dir(expanded); err == nil {
		err = os.MkdirAll(directory, 0o777)
	}
	if err != nil {
		return false, err
	}
	return writeIfChanged(expanded, old, &text)
}

func writeIfChanged(path string, before, after content) (bool, error) {
	if before == nil && after == nil || before != nil && after != nil && *before == *after {
		return false, nil
	}
	if after == nil {
		return true, os.Remove(path)
	}
	return true, replace(path, []byte(*after), path)
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
	// A FIFO would keep an open waiting for its writer.
	file, err := os.OpenFile(expanded, os.O_RDONLY|openNonBlock, 0)
	if err != nil {
		return "", "", false, err
	}
	defer file.Close()
	status, err := file.Stat()
	if err == nil && !status.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return "", "", false, err
	}
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return "", "", false, err
	}
	if int64(len(data)) > limit {
		return expanded, string(data[:limit]), true, nil
	}
	return expanded, string(data), false, nil
}

func readAll(path string) (content, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text := string(data)
	return &text, nil
}

// lock keeps other agents that share a file away while it is read and written, and returns what
// lets them in again. It gives up after half a second: any reader of a file can lock it,
// but must not stop us.
func lock(path string) func() {
	for attempt := 0; attempt < lockAttempts; attempt++ {
		file, err := os.Open(path)
		if err != nil {
			break
		}
		taken, hopeless := tryLock(file)
		if hopeless {
			file.Close()
			break
		}
		if taken && isFileAt(file, path) {
			return func() { file.Close() }
		}
		// Another holds it, or has put a new file in its place meanwhile.
		file.Close()
		time.Sleep(lockRetryDelay)
	}
	return func() {}
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

// replace makes a file hold data: atomically where the system lets us, else in place. A symbolic
// link stays one; permissions and owner are those of like, if that is there.
func replace(path string, data []byte, like string) error {
	path = realPath(path)
	temporary := path + ".norouter-" + randomHex()
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
	file, err := os.OpenFile(path, os.O_RDWR, 0)
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
