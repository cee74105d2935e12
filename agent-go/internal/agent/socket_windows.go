package agent

import (
	"net"
	"syscall"
)

// socket is a connected TCP socket. Its reads hold a buffer only while there are bytes to read.
type socket struct {
	*net.TCPConn
	raw syscall.RawConn
}

// readCall is a read that waits for bytes without a buffer.
type readCall struct {
	pool   bufferPool
	buffer []byte
	most   int
	begin  func() bool
	cancel func()
}

func newSocket(conn *connection) (*socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &socket{conn.socketFile.(*net.TCPConn), raw}, nil
}

// readInto reads at most most bytes behind the header of a buffer.
func (s *socket) readInto(call readCall) ([]byte, int, error) {
	if call.buffer != nil {
		call.pool.put(call.buffer)
	}
	asked := false
	// A raw read waits for bytes by a read of none, each time that the function returns false.
	err := s.raw.Read(func(uintptr) bool {
		readable := asked
		asked = true
		return readable
	})
	buffer := call.pool.tryGet()
	if err != nil {
		return buffer, 0, err
	}
	if !call.begin() {
		call.pool.put(buffer)
		return nil, 0, nil
	}
	size, err := s.TCPConn.Read(payload(buffer)[:call.most])
	return buffer, size, err
}

// tryWrite leaves the writing to a goroutine that may wait.
func (s *socket) tryWrite(data []byte) (int, error) {
	return 0, nil
}

func (s *socket) closeWrite() {
	_ = s.TCPConn.CloseWrite()
}

// closeByFIN undoes closeByReset.
func (s *socket) closeByFIN() {
	_ = s.TCPConn.SetLinger(-1)
}

// Windows reports no pending error without a read.
func (s *socket) pendingError() error {
	return nil
}

// secondFree is never asked: Windows has no limit of descriptors.
func secondFree(limit int) int {
	return 0
}

func (s *socket) hasUnread() bool {
	return false
}

// closeByReset sets SO_LINGER to 0, so that closing the socket, even by the death of this process,
// sends a RST. Call it before bind or connect; accepted sockets inherit it. tcpEnd turns it off for an
// orderly close.
func closeByReset(raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptLinger(syscall.Handle(fd), syscall.SOL_SOCKET, syscall.SO_LINGER,
			&syscall.Linger{Onoff: 1})
	})
}
