package agent

import (
	"context"
	"net/netip"
	"os"
	"syscall"
	"time"

	"norouter/agent/internal/wire"
)

// connect connects to an address without package net, whose goroutine for the context, deep stack and
// questions about both addresses cost more than the connection to an address of this machine.
func (a *Agent) connect(ctx context.Context, address string, port int) (*connection, error) {
	host, err := netip.ParseAddr(address)
	if err != nil || host.Zone() != "" {
		return a.connectByNet(ctx, address, port)
	}
	to, domain := sockaddr(host, port)
	fd, err := syscall.Socket(domain, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := a.descriptors.checkDial(fd); err != nil {
		_ = syscall.Close(fd)
		return nil, err
	}
	setOptions(fd)
	err = syscall.Connect(fd, to)
	if err == syscall.EINPROGRESS {
		// To an address of this machine the handshake is over by now.
		err = syscall.Connect(fd, to)
	}
	if err != nil && err != syscall.EISCONN && !isUnderWay(err) {
		_ = syscall.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	file := os.NewFile(uintptr(fd), "tcp")
	if isUnderWay(err) {
		if err := waitConnected(ctx, file, to); err != nil {
			_ = file.Close()
			return nil, err
		}
	}
	return &connection{file, wire.Address{Host: host.Unmap().String(), Port: port}}, nil
}

func sockaddr(host netip.Addr, port int) (syscall.Sockaddr, int) {
	if host.Is4() {
		return &syscall.SockaddrInet4{Port: port, Addr: host.As4()}, syscall.AF_INET
	}
	return &syscall.SockaddrInet6{Port: port, Addr: host.As16()}, syscall.AF_INET6
}

func isUnderWay(err error) bool {
	return err == syscall.EINPROGRESS || err == syscall.EALREADY || err == syscall.EINTR || err == syscall.EAGAIN
}

// waitConnected waits for the outcome of a connect, or for the end of the context. Once it has
// returned, the context no longer affects the socket.
func waitConnected(ctx context.Context, file *os.File, to syscall.Sockaddr) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	over, joined := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(joined)
		select {
		case <-ctx.Done():
			_ = file.SetWriteDeadline(time.Unix(1, 0)) // the past
		case <-over:
		}
	}()
	var outcome error
	err = raw.Write(func(fd uintptr) bool {
		outcome = syscall.Connect(int(fd), to)
		return !isUnderWay(outcome)
	})
	close(over)
	// The caller cancels the context after a success, too. A goroutine that still runs then could
	// set the deadline of a socket in use.
	<-joined
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	case outcome != nil && outcome != syscall.EISCONN:
		return os.NewSyscallError("connect", outcome)
	}
	return nil
}
