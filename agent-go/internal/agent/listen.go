package agent

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"norouter/agent/internal/wire"
)

// retryDelay is how long accepting pauses when descriptors have run out. The clients wait in the
// backlog meanwhile.
const retryDelay = 200 * time.Millisecond

// listener is a bound address, for TCP or UDP.
type listener struct {
	wanted    wire.Address
	datagrams bool
	address   wire.Address // as bound
	close     func()

	mu     sync.Mutex
	direct *wire.Address // where to join what arrives, off the link
}

func (l *listener) target() *wire.Address {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.direct
}

// bindAddress calls bind for an address, which has to be an IP literal.
func bindAddress(wanted wire.Address, bind func(network, address string) error) error {
	host, err := netip.ParseAddr(wanted.Host)
	if err != nil {
		return errors.New(strconv.Quote(wanted.Host) + " is not an address")
	}
	if host.IsLoopback() && loopbackIsDown() {
		// It can be bound, but nobody can connect to it.
		return errors.New("the loopback interface is down")
	}
	return bind(family(host), net.JoinHostPort(wanted.Host, strconv.Itoa(wanted.Port)))
}

// family returns what package net appends to a network's name.
func family(host netip.Addr) string {
	if host.Is4() {
		return "4"
	}
	if host.IsUnspecified() {
		return "" // IPv4 too, as the system has it
	}
	return "6"
}

// listenTCP binds an address and gives each client to accepted.
func (a *Agent) listenTCP(wanted wire.Address, accepted func(*connection)) (*listener, error) {
	var bound *net.TCPListener
	config := net.ListenConfig{KeepAlive: -1, Control: a.descriptors.listenControl}
	err := bindAddress(wanted, func(family, address string) error {
		made, err := config.Listen(context.Background(), "tcp"+family, address)
		if err == nil {
			bound = made.(*net.TCPListener)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	closed := make(chan struct{})
	go a.acceptAll(bound, closed, accepted)
	return &listener{
		wanted: wanted, address: peerAddress(bound.Addr()),
		close: func() {
			close(closed)
			_ = bound.Close()
		},
	}, nil
}

// acceptAll accepts clients until the listener is closed, also while it waits for descriptors.
func (a *Agent) acceptAll(bound *net.TCPListener, closed <-chan struct{}, accepted func(*connection)) {
	for {
		for !a.descriptors.hasRoom() {
			select {
			case <-closed:
				return
			case <-time.After(retryDelay):
			}
		}
		conn, err := bound.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			if isErrno(err, errTooManyFiles) {
				a.descriptors.runOut(a.descriptors.any)
			}
			time.Sleep(retryDelay)
			continue
		}
		if !a.descriptors.accepted(descriptorOf(conn)) {
			_ = conn.Close()
			continue
		}
		accepted(newConnection(conn))
	}
}

// listen binds an address under the hub's number, or changes the direct target of one that is bound.
func (a *Agent) listen(number int64, wanted wire.Address, direct *wire.Address, datagrams bool) (*listener, *wire.Failure) {
	known := a.listeners[number]
	if known != nil && (known.wanted != wanted || known.datagrams != datagrams) {
		a.unlisten(number)
		known = nil
	}
	if known == nil {
		made, err := a.bind(number, wanted, datagrams)
		if err != nil {
			return nil, bindFailure(wanted, datagrams, err)
		}
		made.datagrams = datagrams
		made.setTarget(direct)
		a.listeners[number] = made
		return made, nil
	}
	if known.setTarget(direct) {
		a.table.killListener(number, "unpublished", "the port was changed")
	}
	return known, nil
}

// setTarget reports whether that changes the direct target.
func (l *listener) setTarget(direct *wire.Address) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed := (direct == nil) != (l.direct == nil) || direct != nil && *direct != *l.direct
	l.direct = direct
	return changed
}

// bind begins to listen. What arrives before the listener is known to all waits for that.
func (a *Agent) bind(number int64, wanted wire.Address, datagrams bool) (*listener, error) {
	var made *listener
	var err error
	known := make(chan struct{})
	defer close(known)
	if datagrams {
		made, err = a.listenUDP(wanted, func(client *udpClient, peer wire.Address) {
			<-known
			a.udpArrived(number, made, client, peer)
		})
		return made, err
	}
	made, err = a.listenTCP(wanted, func(conn *connection) {
		<-known
		a.tcpArrived(number, made, conn)
	})
	return made, err
}

func bindFailure(wanted wire.Address, datagrams bool, err error) *wire.Failure {
	code := "bind"
	switch {
	case isErrno(err, errInUse):
		code = "in-use"
	case isErrno(err, errNotAvailable):
		code = "no-address"
	case isErrno(err, errAccess):
		code = "not-allowed"
	}
	suffix := ""
	if datagrams {
		suffix = "/udp"
	}
	address := wanted.Host + ":" + strconv.Itoa(wanted.Port)
	return &wire.Failure{Code: code, Reason: address + suffix + ": " + errorText(err)}
}

// unlisten stops to listen and ends the direct streams of that listener.
func (a *Agent) unlisten(number int64) {
	if known := a.listeners[number]; known != nil {
		delete(a.listeners, number)
		known.close()
		a.table.killListener(number, "unpublished", "the port is no longer published")
	}
}

// tcpArrived offers a client to the hub, or joins it to the listener's own target.
func (a *Agent) tcpArrived(number int64, l *listener, conn *connection) {
	peer := conn.peer
	if target := l.target(); target != nil {
		a.tcpDirect(number, conn, peer, *target)
		return
	}
	link := a.link
	link.mu.Lock()
	if link.isDown() || link.conn.Full() {
		link.mu.Unlock()
		_ = conn.Close()
		return
	}
	s := link.conn.Offer(number, peer, false)
	e := a.newTCPEnd(nil, s)
	s.Owner = e
	link.mu.Unlock()
	if !e.useSocket(conn) {
		e.failWith("reset", "the socket has failed")
		return
	}
	e.connected()
	go e.readLoop()
}

// tcpDirect joins a client to a target on this machine.
func (a *Agent) tcpDirect(number int64, conn *connection, peer, target wire.Address) {
	direct := a.table.add(number, peer)
	if direct == nil {
		_ = conn.Close()
		return
	}
	client, far := a.newTCPEnd(conn, nil), a.newTCPEnd(nil, nil)
	joinSockets(client, far, direct)
	direct.use(client, far, "opening")
	go func() {
		if a.dialFor(far, target) == nil {
			return
		}
		direct.opened()
		go far.relay()
		client.relay()
	}()
}

// dialFor connects an end to a target, and returns the target's address; nil after a failure, which
// the other end of the stream knows.
func (a *Agent) dialFor(e *tcpEnd, target wire.Address) *wire.Address {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	e.mu.Lock()
	e.cancel = cancel
	closed := e.closed
	e.mu.Unlock()
	if closed {
		return nil
	}
	conn, failure := a.dial(ctx, target)
	if failure != nil {
		if !e.isClosed() {
			e.failWith(failure.Code, failure.Reason)
		}
		return nil
	}
	if !e.useSocket(conn) {
		return nil
	}
	return &conn.peer
}

// peerAddress returns the address of a socket of package net.
func peerAddress(address net.Addr) wire.Address {
	var pair netip.AddrPort
	switch known := address.(type) {
	case *net.TCPAddr:
		pair = known.AddrPort()
	case *net.UDPAddr:
		pair = known.AddrPort()
	}
	if !pair.IsValid() {
		return wire.Address{Host: "0.0.0.0"}
	}
	return wire.Address{Host: pair.Addr().Unmap().String(), Port: int(pair.Port())}
}
