package agent

import (
	"syscall"
	"unsafe"
)

// readNonBlocking and writeNonBlocking are for descriptors that never block. The scheduler need not
// know of such a call: it would hand the processor to another thread in the middle of a large copy,
// which costs more than the copy.

func readNonBlocking(fd int, buffer []byte) (int, error) {
	return transfer(syscall.SYS_READ, fd, buffer)
}

func writeNonBlocking(fd int, data []byte) (int, error) {
	return transfer(syscall.SYS_WRITE, fd, data)
}

func transfer(call uintptr, fd int, data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil
	}
	size, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)))
	if errno != 0 {
		return -1, errno
	}
	return int(size), nil
}
