//go:build !windows

package agent

import (
	"io"
	"syscall"
)

// socket is a connected TCP socket. Its reads hold a buffer only while there are bytes to read, so
// an idle one costs none; its writes can be tried without waiting.
type socket struct {
	socketFile
	raw syscall.RawConn

	// Of the read and the write that run; made once, since a closure for each would be garbage.
	reading   func(fd uintptr) bool
	writing   func(fd uintptr) bool
	read      readCall
	writeData []byte
	writeSize int
	writeErr  error
}

// readCall is a read that waits for bytes without a buffer.
type readCall struct {
	pool   bufferPool
	buffer []byte // nil while there is nothing to read
	most   int
	size   int
	err    error
	begin  func() bool // called before each attempt to read; false gives up
	cancel func()      // called when there was nothing to read
}

func newSocket(conn *connection) (*socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{socketFile: conn.socketFile, raw: raw}
	s.reading, s.writing = s.readNow, s.writeNow
	return s, nil
}

// readInto reads at most most bytes behind the header of a buffer of the pool, waiting for them
// without one. It returns a nil buffer when begin gave up, or when the pool had none: that says
// size 0 and no error, and the caller asks again with a buffer of its own, which it may always pass.
func (s *socket) readInto(call readCall) ([]byte, int, error) {
	s.read = call
	if err := s.raw.Read(s.reading); err != nil && s.read.err == nil {
		s.read.err = err
	}
	done := s.read
	s.read = readCall{}
	return done.buffer, done.size, done.err
}

func (s *socket) readNow(fd uintptr) bool {
	c := &s.read
	if c.buffer == nil {
		if c.buffer = c.pool.tryGet(); c.buffer == nil {
			return true
		}
	}
	if !c.begin() {
		c.pool.put(c.buffer)
		c.buffer = nil
		return true
	}
	for {
		size, err := readNonBlocking(int(fd), payload(c.buffer)[:c.most])
		if err == syscall.EINTR {
			continue
		}
		if err == syscall.EAGAIN {
			c.pool.put(c.buffer)
			c.buffer = nil
			c.cancel()
			return false
		}
		c.size, c.err = size, err
		if err == nil && size == 0 {
			c.err = io.EOF
		}
		if size < 0 {
			c.size = 0
		}
		return true
	}
}

// tryWrite writes what the socket takes now, and does not wait.
func (s *socket) tryWrite(data []byte) (int, error) {
	s.writeData, s.writeSize, s.writeErr = data, 0, nil
	err := s.raw.Write(s.writing)
	s.writeData = nil
	if err != nil {
		return 0, err
	}
	return s.writeSize, s.writeErr
}

func (s *socket) writeNow(fd uintptr) bool {
	s.writeSize, s.writeErr = writeNow(int(fd), s.writeData)
	return true
}

// closeWrite half-closes the socket.
func (s *socket) closeWrite() {
	_ = s.raw.Control(func(fd uintptr) { _ = syscall.Shutdown(int(fd), syscall.SHUT_WR) })
}

// closeByFIN undoes closeByReset.
func (s *socket) closeByFIN() {
	_ = s.raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{})
	})
}

// pendingError returns and clears the socket's error: of a reset, say, that nobody would see
// because nothing is read now.
func (s *socket) pendingError() error {
	var number int
	var failed error
	err := s.raw.Control(func(fd uintptr) {
		number, failed = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
	})
	if err != nil || failed != nil || number == 0 {
		return nil
	}
	return syscall.Errno(number)
}

// secondFree returns the second number that is free, or limit: a client may need one, and the dial
// for it another.
func secondFree(limit int) int {
	first, err := syscall.Dup(0)
	if err != nil {
		return limit
	}
	defer syscall.Close(first)
	second, err := syscall.Dup(0)
	if err != nil {
		return limit
	}
	_ = syscall.Close(second)
	return second
}

// hasUnread reports whether bytes wait to be read.
func (s *socket) hasUnread() bool {
	var one [1]byte
	size := 0
	_ = s.raw.Control(func(fd uintptr) {
		size, _, _ = syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	return size > 0
}

// closeByReset calls setOptions.
func closeByReset(raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) { setOptions(int(fd)) })
}

// setOptions sets the options of a stream's socket. Call it before bind or connect; accepted sockets
// inherit them. SO_LINGER of 0 makes closing the socket, even by the death of this process, send a RST;
// tcpEnd turns it off for an orderly close.
func setOptions(fd int) {
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1)
	_ = syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
}
