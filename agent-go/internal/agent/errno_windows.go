package agent

import "syscall"

// descriptorLimit: Windows has none.
func descriptorLimit() int {
	return unlimited
}

// The numbers of Winsock; package syscall has few of them.
const (
	errAccess       syscall.Errno = 10013
	errInUse        syscall.Errno = 10048
	errTooManyFiles syscall.Errno = 10024
	errNotAvailable syscall.Errno = 10049
	wsaENetDown     syscall.Errno = 10050
	wsaENetUnreach  syscall.Errno = 10051
	wsaEConnAborted syscall.Errno = 10053
	wsaEConnReset   syscall.Errno = 10054
	wsaETimedOut    syscall.Errno = 10060
	wsaEConnRefused syscall.Errno = 10061
	wsaEHostUnreach syscall.Errno = 10065
	wsaENetReset    syscall.Errno = 10052
	// What the completion of an overlapped call reports instead.
	connectionRefused syscall.Errno = 1225
	portUnreachable   syscall.Errno = 1234
)

var errnoCodes = []struct {
	errno syscall.Errno
	code  string
}{
	{wsaEConnRefused, "refused"},
	{connectionRefused, "refused"},
	{portUnreachable, "refused"},
	{wsaEConnReset, "reset"},
	{wsaEConnAborted, "reset"},
	{syscall.EPIPE, "reset"},
	{wsaETimedOut, "timeout"},
	{wsaENetUnreach, "unreachable"},
	{wsaEHostUnreach, "unreachable"},
	{errNotAvailable, "unreachable"},
	{wsaENetDown, "unreachable"},
	{errAccess, "not-allowed"},
}

// unreachable are the errors of a UDP socket that are about its target.
var unreachable = []syscall.Errno{
	wsaEConnRefused, wsaEConnReset, wsaEHostUnreach, wsaENetUnreach, wsaENetDown, wsaENetReset,
	connectionRefused, portUnreachable,
}
