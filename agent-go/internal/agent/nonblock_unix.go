//go:build !windows && !linux

package agent

import "syscall"

func readNonBlocking(fd int, buffer []byte) (int, error) {
	return syscall.Read(fd, buffer)
}

func writeNonBlocking(fd int, data []byte) (int, error) {
	return syscall.Write(fd, data)
}
