//go:build !windows

package agent

import "syscall"

// descriptorLimit returns how many descriptors this process may open.
func descriptorLimit() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil || uint64(limit.Cur) > unlimited {
		return unlimited
	}
	return int(limit.Cur)
}

const (
	errInUse        = syscall.EADDRINUSE
	errNotAvailable = syscall.EADDRNOTAVAIL
	errAccess       = syscall.EACCES
	errTooManyFiles = syscall.EMFILE
)

var errnoCodes = []struct {
	errno syscall.Errno
	code  string
}{
	{syscall.ECONNREFUSED, "refused"},
	{syscall.ECONNRESET, "reset"},
	{syscall.EPIPE, "reset"},
	{syscall.ECONNABORTED, "reset"},
	{syscall.ETIMEDOUT, "timeout"},
	{syscall.ENETUNREACH, "unreachable"},
	{syscall.EHOSTUNREACH, "unreachable"},
	{syscall.EADDRNOTAVAIL, "unreachable"},
	{syscall.ENETDOWN, "unreachable"},
	{syscall.EACCES, "not-allowed"},
	{syscall.EPERM, "not-allowed"},
	{syscall.EMFILE, "too-many"},
	{syscall.ENFILE, "too-many"},
}

// unreachable are the errors of a UDP socket that are about its target; some come as an ICMP message
// for an earlier datagram. Any other is about the one datagram, which is dropped.
var unreachable = []syscall.Errno{
	syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN,
}
