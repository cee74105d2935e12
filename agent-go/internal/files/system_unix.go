//go:build !windows

package files

import (
	"errors"
	"os"
	"syscall"
)

const (
	openNonBlock = syscall.O_NONBLOCK
	openNoFollow = syscall.O_NOFOLLOW
)

// tryLock reports whether the file is locked now, and whether it never can be.
func tryLock(file *os.File) (taken, hopeless bool) {
	return flock(file, syscall.LOCK_EX)
}

// tryShare is tryLock for a lock that others may share.
func tryShare(file *os.File) (taken, hopeless bool) {
	return flock(file, syscall.LOCK_SH)
}

// makeExclusive reports whether nobody else holds the lock, which is then exclusive, and else given up.
func makeExclusive(file *os.File) bool {
	// Given up first: of two that do this at once, each would see the lock of the other.
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
	taken, _ := flock(file, syscall.LOCK_EX)
	return taken
}

func flock(file *os.File, how int) (taken, hopeless bool) {
	err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB)
	return err == nil, err != nil && !errors.Is(err, syscall.EWOULDBLOCK)
}

// chownLike gives a file the owner of another one, where that is ours to do.
func chownLike(file *os.File, like os.FileInfo) error {
	status, ok := like.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	err := file.Chown(int(status.Uid), int(status.Gid))
	if errors.Is(err, os.ErrPermission) {
		return nil // it stays with us
	}
	return err
}
