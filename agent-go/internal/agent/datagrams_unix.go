//go:build !windows

package agent

import (
	"net"
	"syscall"
)

var datagramBuffers = slicePool{size: datagramSize}

// readDatagrams reads what comes to a connected socket until the end is closed. It holds a buffer
// only while there is something to read.
func readDatagrams(conn *net.UDPConn, e *udpEnd) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	var buffer []byte
	var size int
	var failed error
	read := func(fd uintptr) bool {
		buffer = datagramBuffers.tryGet()
		for {
			size, failed = syscall.Read(int(fd), buffer)
			if failed == syscall.EINTR {
				continue
			}
			if failed == syscall.EAGAIN {
				datagramBuffers.put(buffer)
				return false
			}
			return true
		}
	}
	for {
		if raw.Read(read) != nil {
			return // it is closed
		}
		if failed == nil {
			e.bring(buffer[:size])
		}
		datagramBuffers.put(buffer)
		if isErrno(failed, unreachable...) {
			e.fail(resetCode(failed), errorText(failed))
		}
	}
}

// writeDatagram sends a datagram over a connected socket.
func writeDatagram(conn *net.UDPConn, data []byte) error {
	_, err := conn.Write(data)
	return err
}
