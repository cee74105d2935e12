//go:build !windows

package agent

import (
	"io"
	"os"
	"syscall"
)

// channel is the descriptor that a link writes to.
type channel struct {
	file *os.File
	raw  syscall.RawConn
}

func newChannel(file *os.File) *channel {
	raw, err := file.SyscallConn()
	if err != nil {
		raw = nil
	}
	return &channel{file, raw}
}

// tryWrite writes what the descriptor takes now, and does not wait.
func (c *channel) tryWrite(data []byte) (int, error) {
	if c.raw == nil {
		return 0, nil
	}
	var size int
	var failed error
	err := c.raw.Write(func(fd uintptr) bool {
		size, failed = writeNow(int(fd), data)
		return true
	})
	if err != nil {
		return 0, err
	}
	return size, failed
}

// write writes all of data.
func (c *channel) write(data []byte) error {
	_, err := c.file.Write(data)
	return err
}

// writeNow writes once to a non-blocking descriptor; 0 if it takes nothing now.
func writeNow(fd int, data []byte) (int, error) {
	for {
		size, err := syscall.Write(fd, data)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return 0, nil
		case err != nil:
			return 0, err
		case size == 0 && len(data) > 0:
			return 0, io.ErrShortWrite
		default:
			return size, nil
		}
	}
}
