package agent

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	reservedDescriptors = 64 // which streams and listeners leave free, for files and look-ups
	forDials            = 32 // which accepted clients leave free, for the dials on their behalf
	reportScarceEvery   = time.Minute
	unlimited           = 1 << 30
)

// descriptors tells when descriptors run out (SPEC.md section 3, event descriptors).
//
// The system hands out the lowest free number, so a new descriptor shows how many are open.
type descriptors struct {
	limits
	report func(open, limit int)

	scarce atomic.Bool

	mu       sync.Mutex
	reported time.Time
}

// limits are numbers that no descriptor may have: any, one of a stream, and one of a client's socket.
type limits struct {
	any, forStreams, forClients int
}

func limitsOf(limit int) limits {
	reserved, dials := reservedDescriptors, forDials
	if limit < 4*reserved {
		reserved, dials = limit/4, limit/8
	}
	streams := limit - reserved
	return limits{limit, streams, streams - dials}
}

func newDescriptors(limit int, report func(open, limit int)) *descriptors {
	return &descriptors{limits: limitsOf(limit), report: report}
}

// accepted notes the descriptor of a client, and reports whether the client may stay.
func (d *descriptors) accepted(fd int) bool {
	if fd >= d.forClients {
		d.runOut(fd)
	}
	return fd < d.forStreams
}

// runOut notes that hardly any descriptors are free.
func (d *descriptors) runOut(open int) {
	d.scarce.Store(true)
	d.mu.Lock()
	due := time.Since(d.reported) >= reportScarceEvery
	if due {
		d.reported = time.Now()
	}
	d.mu.Unlock()
	if due {
		d.report(open, d.any)
	}
}

// hasRoom reports whether a client may be accepted.
func (d *descriptors) hasRoom() bool {
	if d.scarce.Load() && secondFree(d.any) < d.forClients {
		d.scarce.Store(false)
	}
	return !d.scarce.Load()
}

// descriptorOf returns the descriptor of a socket; 0 if it is closed.
func descriptorOf(conn syscall.Conn) int {
	number := 0
	if raw, err := conn.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { number = int(fd) })
	}
	return number
}

// dialControl is of a net.Dialer.
func (d *descriptors) dialControl(network, address string, raw syscall.RawConn) error {
	return d.control(network, raw, d.forStreams)
}

// listenControl is of a net.ListenConfig. Listeners leave some descriptors for their clients.
func (d *descriptors) listenControl(network, address string, raw syscall.RawConn) error {
	return d.control(network, raw, d.forClients/4*3)
}

// checkDial checks the descriptor of a new socket that is to be connected.
func (d *descriptors) checkDial(fd int) error {
	return d.check(fd, d.forStreams)
}

func (d *descriptors) check(fd, limit int) error {
	if fd < limit {
		return nil
	}
	if fd >= d.forStreams {
		d.runOut(fd)
	}
	return errTooManyFiles // as by the system
}

// control checks the descriptor of a new socket, and applies closeByReset to one of TCP.
func (d *descriptors) control(network string, raw syscall.RawConn, limit int) error {
	number := 0
	if err := raw.Control(func(fd uintptr) { number = int(fd) }); err != nil {
		return err
	}
	if err := d.check(number, limit); err != nil {
		return err
	}
	if network[:3] == "tcp" {
		return closeByReset(raw)
	}
	return nil
}
