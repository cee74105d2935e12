package agent

import "norouter/agent/internal/wire"

// splice joins the sockets of two streams of the link, which the hub has joined, to each other
// (SPEC.md section 11). From here on neither socket is read until all that went before has been
// written to the other one, so no byte can overtake another; the two ways are independent. accepted
// is given the number of the direct stream before anything else is done.
func (a *Agent) splice(listener int64, client, target *wire.Stream, accepted func(int64)) *wire.Failure {
	one, other := a.spliceable(client), a.spliceable(target)
	if one == nil || other == nil || one == other {
		return &wire.Failure{Code: "gone", Reason: "the stream has ended"}
	}
	if a.listeners[listener] == nil {
		return &wire.Failure{Code: "unpublished", Reason: "the port is no longer published"}
	}
	direct := a.table.add(listener, one.remote)
	if direct == nil {
		return &wire.Failure{Code: "too-many", Reason: "too many streams are open here"}
	}
	one.readMu.Lock()
	other.readMu.Lock()
	direct.join(one, other)
	one.readMu.Unlock()
	other.readMu.Unlock()
	accepted(direct.number)
	for _, e := range []*tcpEnd{one, other} {
		a.link.endStream(e.stream, wire.ByPeer) // behind what was read before
		e.opened()                              // its reader is not to wait for room any more
	}
	for _, e := range []*tcpEnd{one, other} {
		e.handOverIfEnded()
	}
	return nil
}

// spliceable returns the connected socket behind a stream; nil if there is none.
func (a *Agent) spliceable(s *wire.Stream) *tcpEnd {
	if s == nil {
		return nil
	}
	e, ok := s.Owner.(*tcpEnd)
	if !ok || e.spliced.Load() {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.socket == nil || e.closed {
		return nil
	}
	return e
}

// joinSockets makes each socket the other one's twin, and has direct observe both. Neither is read
// for the other before that one is handed over.
func joinSockets(one, other *tcpEnd, direct *directStream) {
	for _, pair := range [][2]*tcpEnd{{one, other}, {other, one}} {
		e, twin := pair[0], pair[1]
		e.mu.Lock()
		e.twin, e.direct, e.goDirect = twin, direct, make(chan struct{})
		e.mu.Unlock()
	}
	one.spliced.Store(true)
	other.spliced.Store(true)
}

// handOverIfEnded hands over a socket whose stream had brought everything before it was spliced.
func (e *tcpEnd) handOverIfEnded() {
	e.mu.Lock()
	due := e.takeEOFIfDue()
	e.handed = e.handed || e.sentEOF
	e.mu.Unlock()
	e.sendEOF(due, wire.ByPeer)
}

// handOver notes that all that came for this socket by the link has been written to it: it may be
// written to with what its twin reads.
func (e *tcpEnd) handOver() {
	e.mu.Lock()
	again := e.handed
	e.handed = true
	e.mu.Unlock()
	if again {
		return
	}
	e.twin.mu.Lock()
	ended := e.twin.gotEOF
	e.twin.mu.Unlock()
	if ended {
		// The end that was seen before it was spliced.
		e.shutDown()
		return
	}
	close(e.twin.goDirect)
}

// abandon resets both sockets, and what is left of their streams.
func (e *tcpEnd) abandon(code, reason string) {
	for _, each := range []*tcpEnd{e, e.twin} {
		each.close(code, reason)
		if each.stream != nil {
			e.agent.link.resetStream(each.stream, code, reason, wire.Own)
		}
	}
}

func (e *tcpEnd) relayWhenDirect() {
	select {
	case <-e.goDirect:
		e.relay()
	case <-e.done:
	}
}

const relaySize = 32 << 10 // of a buffer for what is written to the twin at once

// relay writes what this socket brings to its twin, until it brings nothing more.
func (e *tcpEnd) relay() {
	for {
		buffer, size, err := e.socket.readInto(readCall{
			pool: &relayBuffers, most: relaySize - wire.StreamHeader,
			begin: func() bool { return true }, cancel: func() {},
		})
		whole := buffer != nil && size == len(payload(buffer))
		if size > 0 {
			e.bytesIn.Add(int64(size))
			e.writeToTwin(payload(buffer)[:size])
		}
		if buffer != nil {
			relayBuffers.put(buffer)
		}
		if err == nil && whole && !e.isClosed() {
			err = e.relayInKernel()
		}
		if err != nil {
			e.deliver(nil, 0, err)
			return
		}
	}
}

// writeToTwin writes all of data to the twin, or drops it where the twin takes nothing any more.
func (e *tcpEnd) writeToTwin(data []byte) {
	to := e.twin
	to.mu.Lock()
	failed := to.sendErr != nil
	to.mu.Unlock()
	if failed {
		return
	}
	size, err := to.socket.tryWrite(data)
	if err == nil && size < len(data) {
		e.stalled.Store(true)
		_, err = to.socket.Write(data[size:])
		e.stalled.Store(false)
	}
	if err != nil {
		to.sendFailed(err, 0, wire.Own)
	}
}
