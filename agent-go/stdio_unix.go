//go:build !windows

package main

import (
	"os"
	"syscall"
)

const sigPipe = syscall.SIGPIPE

// moveStdioAside returns where fds 0 and 1 led. A stray print of anything in this process must not
// end up between two frames: it goes to stderr from here on.
func moveStdioAside() (in, out *os.File, err error) {
	if in, err = moveAside(0); err != nil {
		return nil, nil, err
	}
	if out, err = moveAside(1); err != nil {
		return nil, nil, err
	}
	if err = emptyStdin(); err != nil {
		return nil, nil, err
	}
	return in, out, duplicate(2, 1)
}

func moveAside(fd int) (*os.File, error) {
	moved, err := syscall.Dup(fd)
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(moved)
	if err := syscall.SetNonblock(moved, true); err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(moved), "link")
	if err := checkPollable(file); err != nil {
		return nil, err
	}
	return file, nil
}

// emptyStdin makes fd 0 one that has nothing to read. There may be no null device.
func emptyStdin() error {
	var ends [2]int
	if err := syscall.Pipe(ends[:]); err != nil {
		return err
	}
	defer syscall.Close(ends[0])
	defer syscall.Close(ends[1])
	return duplicate(ends[0], 0)
}
