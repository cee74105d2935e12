package agent

import (
	"io"
	"syscall"

	"norouter/agent/internal/wire"
)

const (
	pipeSize       = 256 << 10
	spareWorth     = 16 << 10 // fewer bytes in one go are as well copied
	setPipeSize    = 1031     // F_SETPIPE_SZ
	spliceNonBlock = 2
	spliceMove     = 1
	maxIdlePipes   = 8
)

// kernelPipe is what splice(2) needs between two sockets.
type kernelPipe struct {
	read, write int
}

var idlePipes = make(chan kernelPipe, maxIdlePipes)

func newKernelPipe(d *descriptors) (kernelPipe, error) {
	select {
	case pipe := <-idlePipes:
		return pipe, nil
	default:
	}
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		return kernelPipe{}, err
	}
	if fds[1] >= d.forClients {
		_ = syscall.Close(fds[0])
		_ = syscall.Close(fds[1])
		return kernelPipe{}, errTooManyFiles // they are for streams
	}
	// More than the default where the system allows it.
	_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, uintptr(fds[1]), setPipeSize, pipeSize)
	return kernelPipe{fds[0], fds[1]}, nil
}

// release keeps an empty pipe for the next use, or closes it.
func (p kernelPipe) release(empty bool) {
	if empty {
		select {
		case idlePipes <- p:
			return
		default:
		}
	}
	_ = syscall.Close(p.read)
	_ = syscall.Close(p.write)
}

// relayInKernel moves bytes from the socket to its twin without copying them, as long as many come
// at a time. The error is of the reading; io.EOF is the end.
func (e *tcpEnd) relayInKernel() error {
	pipe, err := newKernelPipe(e.agent.descriptors)
	if err != nil {
		return nil // it can be copied
	}
	empty := true
	defer func() { pipe.release(empty) }()
	for {
		size, err := spliceIn(e.socket, pipe)
		if err != nil {
			return err
		}
		if size == 0 {
			return io.EOF
		}
		e.bytesIn.Add(size)
		if err := e.spliceOut(pipe, size); err != nil {
			empty = false
			e.twin.sendFailed(err, 0, wire.Own)
			return nil // the rest is read, and dropped
		}
		if size < spareWorth {
			return nil
		}
	}
}

// spliceIn waits for bytes of a socket and moves them into an empty pipe.
func spliceIn(from *socket, pipe kernelPipe) (int64, error) {
	var moved int64
	var failed error
	err := from.raw.Read(func(fd uintptr) bool {
		moved, failed = spliceOnce(int(fd), pipe.write, pipeSize)
		return failed != syscall.EAGAIN
	})
	if err != nil {
		return 0, err
	}
	return moved, failed
}

// spliceOut moves size bytes of a pipe to the twin, and waits until it takes them.
func (e *tcpEnd) spliceOut(pipe kernelPipe, size int64) error {
	var failed error
	defer e.stalled.Store(false)
	err := e.twin.socket.raw.Write(func(fd uintptr) bool {
		for size > 0 {
			moved, err := spliceOnce(pipe.read, int(fd), int(size))
			if err == syscall.EAGAIN {
				e.stalled.Store(true)
				return false
			}
			if failed = err; err != nil {
				return true
			}
			size -= moved
		}
		return true
	})
	if err != nil {
		return err
	}
	return failed
}

// spliceOnce never blocks, so the scheduler need not know of the call (as of readNonBlocking).
func spliceOnce(from, to, size int) (int64, error) {
	for {
		moved, _, errno := syscall.RawSyscall6(syscall.SYS_SPLICE,
			uintptr(from), 0, uintptr(to), 0, uintptr(size), spliceMove|spliceNonBlock)
		switch errno {
		case 0:
			return int64(moved), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
