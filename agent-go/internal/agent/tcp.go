package agent

import (
	"sync"
	"sync/atomic"

	"norouter/agent/internal/wire"
)

// inOrder is the code of a stream that both sides have ended.
const inOrder = "closed"

// tcpEnd is a TCP socket as one end of a stream: of one of the link, or of a direct one, or of one
// that was spliced and is changing from the former to the latter.
//
// It reads only what the other end has room for, so nothing piles up here on the way in. On the way
// out it holds what the socket did not take, which the other end's window bounds.
type tcpEnd struct {
	agent *Agent

	stream   *wire.Stream // nil for a direct stream
	roomCond *sync.Cond   // on the link's lock: waits for room on stream

	bytesIn atomic.Int64 // what came in by the socket
	stalled atomic.Bool  // nothing is read now, so that a reset would not be seen
	spliced atomic.Bool  // nothing is read for the stream any more

	bytesAtCheck int64 // bytesIn when checkForReset knew of a reset; -1 before that

	// readMu is held from a read until its bytes have been queued on the stream, so that a splice
	// comes before or after both.
	readMu     sync.Mutex
	readLocked bool // of the goroutine that reads

	mu       sync.Mutex // guards what follows; no other lock is taken while it is held
	socket   *socket    // nil while it is being dialled
	remote   wire.Address
	cancel   func() // gives up the dial
	out      wire.Backlog
	draining bool // a goroutine writes what is in out
	sendErr  error
	gotEOF   bool
	wantEOF  bool
	sentEOF  bool
	closed   bool
	direct   *directStream // reports what happens to the socket
	twin     *tcpEnd       // of a direct stream: where what is read goes
	goDirect chan struct{} // closed when the twin may be written with what is read here
	handed   bool          // the stream has brought all that it had for this socket
	done     chan struct{} // closed with the end
}

func (a *Agent) newTCPEnd(conn *connection, s *wire.Stream) *tcpEnd {
	e := &tcpEnd{agent: a, stream: s, done: make(chan struct{}), bytesAtCheck: -1}
	if s != nil {
		e.roomCond = sync.NewCond(&a.link.mu)
	}
	if conn != nil {
		e.useSocket(conn)
	}
	a.ends.add(e)
	return e
}

// useSocket takes over a connected socket; false if the end has ended meanwhile.
func (e *tcpEnd) useSocket(conn *connection) bool {
	socket, err := newSocket(conn)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil || e.closed {
		_ = conn.Close()
		return false
	}
	e.socket, e.remote, e.cancel = socket, conn.peer, nil
	return true
}

// connected begins to write what has come before the socket was there.
func (e *tcpEnd) connected() {
	e.mu.Lock()
	size, err := e.writeEarlyLocked()
	if err != nil {
		e.sendErr = err
		e.mu.Unlock()
		e.sendFailed(err, size, wire.Own)
		return
	}
	e.drainLocked()
	due := e.takeEOFIfDue()
	e.mu.Unlock()
	if size > 0 {
		e.agent.link.consumed(e.stream, size, wire.Own)
	}
	e.sendEOF(due, wire.Own)
}

// writeEarlyLocked writes the first bytes of a stream, which mostly are few, without a goroutine. It
// returns how many it has written or, with an error, how many nobody will write.
func (e *tcpEnd) writeEarlyLocked() (int, error) {
	if e.socket == nil || e.closed || e.draining {
		return 0, nil
	}
	piece := e.out.Pop(bufferSize)
	if piece == nil {
		return 0, nil
	}
	size, err := e.socket.tryWrite(piece)
	if err != nil {
		return len(piece) + e.out.Size(), err
	}
	e.out.PushFront(piece[size:])
	return size, nil
}

// -- from the stream

func (e *tcpEnd) opened() {
	e.agent.link.mu.Lock()
	e.room()
	e.agent.link.mu.Unlock()
}

func (e *tcpEnd) room() {
	e.roomCond.Broadcast()
}

// receive writes what came on the stream to the socket, or keeps what that does not take.
func (e *tcpEnd) receive(data []byte) {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return
	}
	size := 0
	var err error
	if e.sendErr != nil {
		size = len(data)
	} else if e.socket != nil && e.out.Size() == 0 && !e.draining {
		size, err = e.socket.tryWrite(data)
	}
	if err != nil {
		// Before the lock is let go: the write took the error, and a read only sees an end.
		e.sendErr = err
	} else if size < len(data) {
		e.out.Push(data[size:])
		e.drainLocked()
	}
	e.mu.Unlock()
	if err != nil {
		e.sendFailed(err, len(data), wire.ByPeer)
	} else if size > 0 {
		e.agent.link.consumed(e.stream, size, wire.ByPeer)
	}
}

func (e *tcpEnd) drainLocked() {
	if e.socket != nil && e.out.Size() > 0 && !e.draining {
		e.draining = true
		go e.drain()
	}
}

// drain writes what the socket did not take at once, and waits for it.
func (e *tcpEnd) drain() {
	for {
		e.mu.Lock()
		piece := e.out.Pop(bufferSize)
		if piece == nil || e.closed {
			e.draining = false
			due := e.takeEOFIfDue()
			e.mu.Unlock()
			e.sendEOF(due, wire.Own)
			return
		}
		socket := e.socket
		e.mu.Unlock()
		size, err := socket.Write(piece)
		if err != nil {
			e.mu.Lock()
			unsent := len(piece) - size + e.out.Size()
			e.draining = false
			e.mu.Unlock()
			e.sendFailed(err, size+unsent, wire.Own)
			return
		}
		e.agent.link.consumed(e.stream, size, wire.Own)
	}
}

// sendFailed notes that nothing can be written any more; unsent bytes are dropped. What the other
// side sent before it reset may still be in the receive buffer (a server's answer to an upload that
// it cut short, say): reading goes on, and then tells of the reset.
func (e *tcpEnd) sendFailed(err error, unsent int, cause wire.Cause) {
	e.mu.Lock()
	e.out.Clear()
	over := e.gotEOF || e.closed
	if e.sendErr == nil {
		e.sendErr = err
	}
	e.mu.Unlock()
	if over {
		e.fail(err)
	} else if e.stream != nil {
		e.agent.link.consumed(e.stream, unsent, cause)
	}
}

func (e *tcpEnd) receiveEOF() {
	e.mu.Lock()
	e.wantEOF = true
	due := e.takeEOFIfDue()
	e.mu.Unlock()
	e.sendEOF(due, wire.ByPeer)
}

// takeEOFIfDue reports whether the end of the stream is to reach the socket now. The lock is held.
func (e *tcpEnd) takeEOFIfDue() bool {
	due := e.wantEOF && !e.sentEOF && e.socket != nil && e.out.Size() == 0 && !e.draining && !e.closed
	if due {
		e.sentEOF = !e.spliced.Load()
	}
	return due
}

func (e *tcpEnd) sendEOF(due bool, cause wire.Cause) {
	if !due {
		return
	}
	if e.spliced.Load() {
		e.handOver()
		return
	}
	e.shutDown()
}

// shutDown half-closes the socket, or closes it if that was the second half.
func (e *tcpEnd) shutDown() {
	e.mu.Lock()
	e.sentEOF = true
	over := e.gotEOF
	socket := e.socket
	e.mu.Unlock()
	if !over {
		socket.closeWrite() // of one that its peer has reset, the reading side tells
	}
	e.closeIfDone()
}

// reset ends both ways at once, for the other end.
func (e *tcpEnd) reset(code, reason string) {
	if e.spliced.Load() {
		e.abandon(code, reason)
		return
	}
	e.close(code, reason)
}

// -- the end

// fail ends both ways because the socket has failed.
func (e *tcpEnd) fail(err error) {
	e.failWith(resetCode(err), errorText(err))
}

func (e *tcpEnd) failWith(code, reason string) {
	if e.spliced.Load() {
		e.abandon(code, reason)
		return
	}
	e.close(code, reason)
	e.agent.link.resetStream(e.stream, code, reason, wire.Own)
}

// closeIfDone closes the socket when both of its directions have ended.
func (e *tcpEnd) closeIfDone() {
	e.mu.Lock()
	done := e.gotEOF && e.sentEOF
	e.mu.Unlock()
	if done {
		e.close(inOrder, "")
	}
}

// close ends the socket. Its peer sees a reset unless the code is inOrder.
func (e *tcpEnd) close(code, reason string) {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return
	}
	e.closed = true
	e.out.Clear()
	socket, cancel, direct := e.socket, e.cancel, e.direct
	e.mu.Unlock()
	close(e.done)
	if cancel != nil {
		cancel()
	}
	if socket != nil {
		if code == inOrder {
			socket.closeByFIN()
		}
		_ = socket.Close()
	}
	e.agent.ends.remove(e)
	if e.stream != nil {
		e.opened() // its reader is not to wait for room any more
	}
	if direct != nil {
		direct.endClosed(code, reason)
	}
}

func (e *tcpEnd) isClosed() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}
