//go:build !windows

package agent

import "syscall"

const (
	errInUse        = syscall.EADDRINUSE
	errNotAvailable = syscall.EADDRNOTAVAIL
	errAccess       = syscall.EACCES
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
}

// unreachable are the errors of a UDP socket that are about its target; some come as an ICMP message
// for an earlier datagram. Any other is about the one datagram, which is dropped.
var unreachable = []syscall.Errno{
	syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN,
}
