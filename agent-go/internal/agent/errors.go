package agent

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"unicode"
)

// resetCode returns the code of RESET (SPEC.md section 4) that stands for a socket's error.
func resetCode(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		for _, known := range errnoCodes {
			if number == known.errno {
				return known.code
			}
		}
		return "internal"
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	return "internal"
}

// errorText returns an error in the words of the operating system, as strerror has them.
func errorText(err error) string {
	text := err.Error()
	var number syscall.Errno
	if errors.As(err, &number) {
		text = number.Error()
	}
	if text != "" {
		text = string(unicode.ToUpper(rune(text[0]))) + text[1:]
	}
	return strings.ToValidUTF8(text, "?")
}

func isErrno(err error, numbers ...syscall.Errno) bool {
	var number syscall.Errno
	if errors.As(err, &number) {
		for _, each := range numbers {
			if number == each {
				return true
			}
		}
	}
	return false
}
