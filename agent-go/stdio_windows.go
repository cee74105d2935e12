package main

import (
	"os"
	"syscall"
)

const sigPipe = syscall.SIGPIPE

// moveStdioAside returns stdin and stdout. What this process prints goes to stderr from here on.
func moveStdioAside() (in, out *os.File, err error) {
	in, out = os.Stdin, os.Stdout
	os.Stdout = os.Stderr
	return in, out, nil
}

// raiseDescriptorLimit: Windows has none.
func raiseDescriptorLimit() {}
