//go:build !windows

package identity

import "syscall"

// processExists reports whether there is a process; also true where nobody can tell.
func processExists(pid int) bool {
	return syscall.Kill(pid, 0) != syscall.ESRCH
}
