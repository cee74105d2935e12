package agent

import (
	"container/list"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"norouter/agent/internal/wire"
)

const (
	idleTimeout = 30 * time.Second // without a datagram either way until a client is forgotten
	maxClients  = 1024             // of one listener

	datagramSize = 64 << 10 // more than the largest datagram
)

// datagramPeer is where the datagrams of one side go (SPEC.md section 10).
type datagramPeer interface {
	send(data []byte)
	// reset ends the stream; code "closed" is the orderly end.
	reset(code, reason string)
}

// streamPeer is a stream of datagrams of the link.
type streamPeer struct {
	link   *link
	stream *wire.Stream
}

func (p streamPeer) send(data []byte) {
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	p.link.conn.SendDatagram(p.stream, data)
	p.link.flushLocked()
}

func (p streamPeer) reset(code, reason string) {
	if code == "closed" {
		p.link.endStream(p.stream, wire.Own)
		return
	}
	p.link.resetStream(p.stream, code, reason, wire.Own)
}

// udpEnd is a UDP socket as one end of a stream, or a client of a listener. It is the owner of a
// stream of the link, or a peer of another udpEnd on this machine.
type udpEnd struct {
	peer    datagramPeer
	bytesIn atomic.Int64
	done    chan struct{}

	mu     sync.Mutex
	direct *directStream
	closed bool
	write  func([]byte) error // nil until the socket is connected
	stop   func()
	queue  wire.DatagramQueue // what came before it was
}

func newUDPEnd() *udpEnd {
	return &udpEnd{done: make(chan struct{})}
}

// udpClient is a client of a listener: what comes from its address, and what is sent to it.
type udpClient struct {
	udpEnd
	address  netip.AddrPort
	lastUsed time.Time
	place    *list.Element
}

func (e *udpEnd) received() int64 { return e.bytesIn.Load() }

func (e *udpEnd) isClosed() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// send passes a datagram to the outside, or drops it.
func (e *udpEnd) send(data []byte) {
	e.mu.Lock()
	write, closed := e.write, e.closed
	if write == nil && !closed {
		e.queue.Push(data)
	}
	e.mu.Unlock()
	if write == nil || closed {
		return
	}
	if err := write(data); isErrno(err, unreachable...) {
		e.fail(resetCode(err), errorText(err))
	}
}

func (e *udpEnd) receive(data []byte) { e.send(data) }
func (e *udpEnd) opened()             {}
func (e *udpEnd) room()               {}

// receiveEOF answers EOF with EOF: a UDP socket cannot be half-closed.
func (e *udpEnd) receiveEOF() {
	if e.close("closed", "") {
		e.peer.reset("closed", "")
	}
}

func (e *udpEnd) reset(code, reason string) {
	e.close(code, reason)
}

// fail ends the stream from this side.
func (e *udpEnd) fail(code, reason string) {
	if e.close(code, reason) {
		e.peer.reset(code, reason)
	}
}

// close reports whether this was the first call.
func (e *udpEnd) close(code, reason string) bool {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return false
	}
	e.closed = true
	e.queue.Clear()
	stop, direct := e.stop, e.direct
	e.mu.Unlock()
	close(e.done)
	if stop != nil {
		stop()
	}
	if direct != nil {
		direct.endClosed(code, reason)
	}
	return true
}

// bring passes on a datagram that came from outside.
func (e *udpEnd) bring(data []byte) {
	e.bytesIn.Add(int64(len(data)))
	e.peer.send(data)
}

// udpDial connects an end to a target, by name or address, and reads until it ends. opened is called
// once it is connected.
func (a *Agent) udpDial(e *udpEnd, target wire.Address, opened func(wire.Address)) {
	conn, failure := a.connectUDP(target)
	if failure != nil {
		e.fail(failure.Code, failure.Reason)
		return
	}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		_ = conn.Close()
		return
	}
	e.stop = func() { _ = conn.Close() }
	e.mu.Unlock()
	opened(peerAddress(conn.RemoteAddr()))
	e.beginToWrite(func(data []byte) error {
		return writeDatagram(conn, data)
	})
	readDatagrams(conn, e)
}

// beginToWrite sends what has waited, and then lets datagrams through.
func (e *udpEnd) beginToWrite(write func([]byte) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.queue.Len() > 0 {
		_ = write(e.queue.Pop())
	}
	e.write = write
}

func (a *Agent) connectUDP(target wire.Address) (*net.UDPConn, *wire.Failure) {
	addresses := []string{target.Host}
	if !isLiteral(target.Host) {
		found, failure := a.resolver.lookUp(a.context, target.Host)
		if failure != nil {
			return nil, dialFailure(a.context, failure)
		}
		addresses = found
	}
	var last error
	dialer := net.Dialer{Control: a.descriptors.dialControl}
	for _, address := range addresses {
		conn, err := dialer.Dial("udp", net.JoinHostPort(address, strconv.Itoa(target.Port)))
		if err == nil {
			return conn.(*net.UDPConn), nil
		}
		last = err
	}
	return nil, &wire.Failure{Code: resetCode(last), Reason: errorText(last)}
}

// udpListener is a bound UDP address with one end for each client address.
type udpListener struct {
	conn    *net.UDPConn
	arrived func(*udpClient, wire.Address)

	mu      sync.Mutex
	clients map[netip.AddrPort]*udpClient
	order   *list.List // of *udpClient, the one that has been idle for longest in front
	closed  bool
	timer   *time.Timer
}

// listenUDP binds an address; each new client goes to arrived, which joins or resets it at once.
func (a *Agent) listenUDP(wanted wire.Address, arrived func(*udpClient, wire.Address)) (*listener, error) {
	var bound *net.UDPConn
	config := net.ListenConfig{Control: a.descriptors.listenControl}
	err := bindAddress(wanted, func(family, address string) error {
		made, err := config.ListenPacket(a.context, "udp"+family, address)
		if err == nil {
			bound = made.(*net.UDPConn)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	u := &udpListener{
		conn: bound, arrived: arrived, order: list.New(),
		clients: make(map[netip.AddrPort]*udpClient),
	}
	go u.run()
	return &listener{
		wanted: wanted, address: peerAddress(bound.LocalAddr()), close: u.close,
	}, nil
}

func (u *udpListener) run() {
	buffer := make([]byte, wire.MaxDatagramSize+1)
	for {
		size, from, err := u.conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			u.mu.Lock()
			closed := u.closed
			u.mu.Unlock()
			if closed {
				return
			}
			if size == 0 {
				continue // an error that an earlier answer met
			}
		}
		u.client(from).bring(buffer[:size])
	}
}

// client returns the client with an address, new if need be.
func (u *udpListener) client(from netip.AddrPort) *udpClient {
	u.mu.Lock()
	if known := u.clients[from]; known != nil {
		u.markUsedLocked(known)
		u.mu.Unlock()
		return known
	}
	var oldest *udpClient
	if len(u.clients) >= maxClients {
		oldest = u.order.Front().Value.(*udpClient)
	}
	c := &udpClient{udpEnd: udpEnd{done: make(chan struct{})}, address: from}
	c.write = func(data []byte) error { return u.reply(c, data) }
	c.stop = func() { u.remove(c) }
	u.clients[from] = c
	c.place = u.order.PushBack(c)
	u.markUsedLocked(c)
	if u.timer == nil {
		u.timer = time.AfterFunc(idleTimeout, u.expire)
	}
	u.mu.Unlock()
	if oldest != nil {
		oldest.fail("idle", strconv.Itoa(maxClients)+" other clients have come since it was used")
	}
	u.arrived(c, wire.Address{Host: from.Addr().Unmap().String(), Port: int(from.Port())})
	return c
}

func (u *udpListener) markUsedLocked(c *udpClient) {
	c.lastUsed = time.Now()
	u.order.MoveToBack(c.place)
}

// reply sends a datagram to a client, from the address that is bound.
func (u *udpListener) reply(c *udpClient, data []byte) error {
	u.mu.Lock()
	u.markUsedLocked(c)
	u.mu.Unlock()
	_, _ = u.conn.WriteToUDPAddrPort(data, c.address)
	return nil // the datagram may be dropped, as any may be
}

func (u *udpListener) remove(c *udpClient) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.clients[c.address] == c {
		delete(u.clients, c.address)
		u.order.Remove(c.place)
	}
}

// expire forgets clients that have been idle for too long.
func (u *udpListener) expire() {
	var idle []*udpClient
	u.mu.Lock()
	u.timer = nil
	for place := u.order.Front(); place != nil && !u.closed; place = place.Next() {
		c := place.Value.(*udpClient)
		if left := idleTimeout - time.Since(c.lastUsed); left > 0 {
			u.timer = time.AfterFunc(left, u.expire)
			break
		}
		idle = append(idle, c)
	}
	u.mu.Unlock()
	for _, c := range idle {
		c.fail("idle", "no datagram for 30 s")
	}
}

// close ends every stream that came by the listener, too: they live by its socket.
func (u *udpListener) close() {
	u.mu.Lock()
	u.closed = true
	var clients []*udpClient
	for _, c := range u.clients {
		clients = append(clients, c)
	}
	if u.timer != nil {
		u.timer.Stop()
	}
	u.mu.Unlock()
	for _, c := range clients {
		c.fail("unpublished", "the port is no longer published")
	}
	_ = u.conn.Close()
}

// udpArrived offers a client to the hub, or joins it to the listener's own target.
func (a *Agent) udpArrived(number int64, l *listener, client *udpClient, peer wire.Address) {
	if target := l.target(); target != nil {
		a.udpDirect(number, client, peer, *target)
		return
	}
	link := a.link
	link.mu.Lock()
	defer link.mu.Unlock()
	if link.isDown() || link.conn.Full() {
		client.peer = nowhere{}
		go client.close("too-many", wire.NotReading)
		return
	}
	s := link.conn.Offer(number, peer, true)
	s.Owner = &client.udpEnd
	client.peer = streamPeer{link, s}
	link.flushLocked()
}

// udpDirect joins a client to a target on this machine.
func (a *Agent) udpDirect(number int64, client *udpClient, peer, target wire.Address) {
	direct := a.table.add(number, peer)
	if direct == nil {
		client.peer = nowhere{}
		client.close("too-many", "too many streams are open here")
		return
	}
	far := newUDPEnd()
	client.peer, far.peer = far, &client.udpEnd
	client.direct, far.direct = direct, direct
	direct.use(&client.udpEnd, far, "opening")
	go a.udpDial(far, target, func(wire.Address) { direct.opened() })
}

// nowhere is the peer of a client that could not be joined.
type nowhere struct{}

func (nowhere) send([]byte)          {}
func (nowhere) reset(string, string) {}
