package agent

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"norouter/agent/internal/wire"
)

const (
	dialTimeout = 30 * time.Second // of the whole dial, look-up included
	// stagger is how long after an attempt the next address is tried beside it (RFC 8305 section 5).
	stagger = 250 * time.Millisecond
)

// isLiteral reports whether a host is an IP literal.
func isLiteral(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// dial connects to a target, by name or address; happy eyeballs (RFC 8305). The failure has a code
// of RESET (SPEC.md section 4).
func (a *Agent) dial(ctx context.Context, target wire.Address) (*connection, *wire.Failure) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	addresses := []string{target.Host}
	if strings.EqualFold(target.Host, "localhost") {
		// Always loopback (RFC 6761), and not every container can look it up.
		addresses = []string{"127.0.0.1", "::1"}
	} else if !isLiteral(target.Host) {
		found, failure := a.resolver.lookUp(ctx, target.Host)
		if failure != nil {
			return nil, dialFailure(ctx, failure)
		}
		addresses = interleave(found)
	}
	conn, err := a.connectAny(ctx, addresses, target.Port)
	if err != nil {
		return nil, dialFailure(ctx, &wire.Failure{Code: resetCode(err), Reason: errorText(err)})
	}
	return conn, nil
}

func dialFailure(ctx context.Context, failure *wire.Failure) *wire.Failure {
	if ctx.Err() == context.DeadlineExceeded {
		return &wire.Failure{Code: "timeout", Reason: "no answer within 30 s"}
	}
	if failure.Code == "try-again" {
		failure.Code = "name" // RESET has no other word for it
	}
	return failure
}

// connection is a connected TCP socket: a *net.TCPConn, or an *os.File.
type connection struct {
	socketFile
	peer wire.Address
}

type socketFile interface {
	io.ReadWriteCloser
	syscall.Conn
}

type attempt struct {
	conn *connection
	err  error
}

// connectAny returns the first connection to one of the addresses, the other attempts being given
// up, or the last error.
func (a *Agent) connectAny(ctx context.Context, addresses []string, port int) (*connection, error) {
	if len(addresses) == 1 {
		return a.connect(ctx, addresses[0], port)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	outcomes := make(chan attempt)
	running, next := 0, 0
	var last error
	for {
		var beside <-chan time.Time
		if next < len(addresses) {
			if running == 0 {
				beside = time.After(0)
			} else {
				beside = time.After(stagger)
			}
		} else if running == 0 {
			return nil, last
		}
		select {
		case <-beside:
			address := addresses[next]
			next, running = next+1, running+1
			go a.tryOne(ctx, address, port, outcomes)
		case outcome := <-outcomes:
			running--
			if outcome.err == nil {
				return outcome.conn, nil
			}
			// That one address has no service tells more than that there is no way to another.
			if last == nil || resetCode(last) != "refused" || resetCode(outcome.err) != "unreachable" {
				last = outcome.err
			}
			if next < len(addresses) {
				go a.tryOne(ctx, addresses[next], port, outcomes)
				next, running = next+1, running+1
			}
		}
	}
}

// tryOne sends the outcome of one attempt, unless nobody waits for it any more.
func (a *Agent) tryOne(ctx context.Context, address string, port int, outcomes chan<- attempt) {
	conn, err := a.connect(ctx, address, port)
	select {
	case outcomes <- attempt{conn, err}:
	case <-ctx.Done():
		if conn != nil {
			_ = conn.Close()
		}
	}
}

// connectByNet connects by package net.
func (a *Agent) connectByNet(ctx context.Context, address string, port int) (*connection, error) {
	dialer := net.Dialer{KeepAlive: -1, Control: a.descriptors.dialControl}
	made, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	return newConnection(made.(*net.TCPConn)), nil
}

// newConnection returns a socket of package net, which sets no delay for small writes by itself, and
// has it ask for a sign of life from peers that have vanished.
func newConnection(conn *net.TCPConn) *connection {
	_ = conn.SetKeepAlive(true)
	return &connection{conn, peerAddress(conn.RemoteAddr())}
}

// interleave returns IPv6 and IPv4 addresses in turn, the resolver's first choice first (RFC 8305
// section 4).
func interleave(addresses []string) []string {
	var families [2][]string
	for _, address := range addresses {
		family := 0
		if isIPv4(address) != isIPv4(addresses[0]) {
			family = 1
		}
		families[family] = append(families[family], address)
	}
	var order []string
	for i := 0; i < len(addresses); i++ {
		for _, family := range families {
			if i < len(family) {
				order = append(order, family[i])
			}
		}
	}
	return order
}

func isIPv4(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && address.Is4()
}
