//go:build !windows

package main

import (
	"os"
	"syscall"
	"time"
)

// raiseDescriptorLimit raises the soft limit of open descriptors to the hard one.
func raiseDescriptorLimit() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil && limit.Cur < limit.Max {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
}

// checkPollable refuses a regular file or the null device, which nobody can wait for.
func checkPollable(file *os.File) error {
	if file.SetDeadline(time.Time{}) != nil {
		return syscall.EPERM
	}
	return nil
}
