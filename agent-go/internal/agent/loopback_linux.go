package agent

import (
	"syscall"
	"unsafe"
)

// interfaceFlags is the kernel's struct ifreq for the flags of an interface.
type interfaceFlags struct {
	name  [syscall.IFNAMSIZ]byte
	flags uint16
	_     [22]byte
}

// loopbackIsDown reports whether the system says so, as in a network namespace that is new. It asks
// for that one interface: package net reads the list of all, of which a host of containers has
// hundreds.
func loopbackIsDown() bool {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer syscall.Close(fd)
	request := interfaceFlags{name: [syscall.IFNAMSIZ]byte{'l', 'o'}}
	_, _, errno := syscall.Syscall(
		syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCGIFFLAGS, uintptr(unsafe.Pointer(&request)))
	return errno == 0 && request.flags&syscall.IFF_UP == 0
}
