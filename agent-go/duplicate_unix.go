//go:build !windows && !linux

package main

import "syscall"

func duplicate(from, to int) error {
	return syscall.Dup2(from, to)
}
