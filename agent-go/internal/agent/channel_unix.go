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

	// Of the write that runs; writing is made once, since a closure for each would be garbage.
	writing func(fd uintptr) bool
	data    []byte
	size    int
	err     error
}

func newChannel(file *os.File) *channel {
	raw, err := file.SyscallConn()
	if err != nil {
		raw = nil
	}
	c := &channel{file: file, raw: raw}
	c.writing = func(fd uintptr) bool {
		c.size, c.err = writeNow(int(fd), c.data)
		return true
	}
	return c
}

// tryWrite writes what the descriptor takes now, and does not wait.
func (c *channel) tryWrite(data []byte) (int, error) {
	if c.raw == nil {
		return 0, nil
	}
	c.data, c.size, c.err = data, 0, nil
	err := c.raw.Write(c.writing)
	c.data = nil
	if err != nil {
		return 0, err
	}
	return c.size, c.err
}

// write writes all of data.
func (c *channel) write(data []byte) error {
	_, err := c.file.Write(data)
	return err
}

// writeNow writes once to a non-blocking descriptor; 0 if it takes nothing now.
func writeNow(fd int, data []byte) (int, error) {
	for {
		size, err := writeNonBlocking(fd, data)
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

// input is the descriptor that a link reads from.
type input struct {
	*os.File
	raw syscall.RawConn

	// Of the read that runs.
	reading func(fd uintptr) bool
	buffer  []byte
	size    int
	err     error
}

func newInput(file *os.File) *input {
	raw, err := file.SyscallConn()
	if err != nil {
		raw = nil
	}
	i := &input{File: file, raw: raw}
	i.reading = i.readNow
	return i
}

// Read waits for bytes.
func (i *input) Read(buffer []byte) (int, error) {
	if i.raw == nil {
		return i.File.Read(buffer)
	}
	i.buffer, i.size, i.err = buffer, 0, nil
	if err := i.raw.Read(i.reading); err != nil {
		return 0, err
	}
	return i.size, i.err
}

func (i *input) readNow(fd uintptr) bool {
	for {
		size, err := readNonBlocking(int(fd), i.buffer)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return false
		case err != nil:
			i.err = err
		case size == 0:
			i.err = io.EOF
		default:
			i.size = size
		}
		return true
	}
}
