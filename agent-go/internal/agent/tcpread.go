package agent

import (
	"io"

	"norouter/agent/internal/wire"
)

// readLoop reads for the stream as it has room, until the socket has nothing more. A socket that is
// spliced meanwhile is read for its twin then.
func (e *tcpEnd) readLoop() {
	for {
		room := e.waitForRoom()
		if room == 0 {
			break
		}
		call := readCall{pool: e.agent.buffers, begin: e.beginRead, cancel: e.nothingToRead}
		call.buffer = e.agent.buffers.get()
		call.most = room
		if call.most > len(payload(call.buffer)) {
			call.most = len(payload(call.buffer))
		}
		buffer, size, err := e.socket.readInto(call)
		more := e.deliver(buffer, size, err)
		e.unlockRead()
		if buffer != nil {
			e.agent.buffers.put(buffer)
		}
		if !more {
			return
		}
	}
	if e.spliced.Load() {
		e.relayWhenDirect()
	}
}

// waitForRoom returns how much may be sent on the stream, once that is something; 0 when nothing
// will ever be.
func (e *tcpEnd) waitForRoom() int {
	e.agent.link.mu.Lock()
	defer e.agent.link.mu.Unlock()
	for !e.spliced.Load() && !e.stream.Closed() && !e.isClosed() {
		if room := e.stream.Room(); room > 0 {
			return room
		}
		e.waitOnLink()
	}
	return 0
}

// waitOnLink waits for what streamOwner.room tells. The link is locked.
func (e *tcpEnd) waitOnLink() {
	e.stalled.Store(true)
	e.roomCond.Wait()
	e.stalled.Store(false)
}

// beginRead comes before each attempt to read; it returns false for a stream that was spliced.
func (e *tcpEnd) beginRead() bool {
	e.readMu.Lock()
	if e.spliced.Load() {
		e.readMu.Unlock()
		return false
	}
	e.readLocked = true
	return true
}

// nothingToRead comes before the wait for bytes. What has been queued goes now: the OPEN of a
// stream waits for the first bytes no longer.
func (e *tcpEnd) nothingToRead() {
	e.unlockRead()
	e.agent.link.flush()
}

func (e *tcpEnd) unlockRead() {
	if e.readLocked {
		e.readLocked = false
		e.readMu.Unlock()
	}
}

// deliver passes on what was read, and reports whether to read on.
func (e *tcpEnd) deliver(buffer []byte, size int, err error) bool {
	if err == io.EOF {
		e.gotEnd()
		return false
	}
	if err != nil {
		e.unlockRead()
		e.readFailed(err)
		return false
	}
	if size == 0 {
		return true // the stream was spliced, or no buffer was free
	}
	e.bytesIn.Add(int64(size))
	link := e.agent.link
	link.mu.Lock()
	defer link.mu.Unlock()
	if !link.flushing && link.conn.BeginDirectWrite(e.stream, size) {
		e.unlockRead()
		wire.PutHeader(buffer, wire.Data, e.stream.ID, size)
		link.writeDirect(buffer[:wire.StreamHeader+size])
		return true
	}
	link.conn.Send(e.stream, payload(buffer)[:size])
	e.unlockRead()
	link.flushLocked()
	for e.stream.Pending() > 0 && !e.stream.Closed() {
		e.waitOnLink()
	}
	return true
}

// gotEnd acts on the end of what the socket brings.
func (e *tcpEnd) gotEnd() {
	e.mu.Lock()
	err, direct := e.sendErr, e.direct
	e.gotEOF = err == nil
	e.mu.Unlock()
	if err != nil {
		// The reset was reported to the write that failed; a read only sees the end.
		e.unlockRead()
		e.fail(err)
		return
	}
	e.stalled.Store(true)
	if e.spliced.Load() {
		e.twin.shutDown()
	} else {
		e.agent.link.endStream(e.stream, wire.Own)
		e.unlockRead()
	}
	if direct != nil {
		direct.halfClosed()
	}
	e.closeIfDone()
}

func (e *tcpEnd) readFailed(err error) {
	if !e.isClosed() {
		e.fail(err)
	}
}

// checkForReset looks for a reset that no read would see, because nothing is read now.
func (e *tcpEnd) checkForReset() {
	e.mu.Lock()
	socket, ended, known := e.socket, e.gotEOF, e.sendErr
	e.mu.Unlock()
	if socket == nil || !e.stalled.Load() || e.isClosed() {
		return
	}
	bytes := e.bytesIn.Load()
	if known != nil {
		if e.bytesAtCheck == bytes {
			e.fail(known)
		}
		e.bytesAtCheck = bytes
		return
	}
	err := socket.pendingError()
	switch {
	case err == nil:
	case ended || !socket.hasUnread():
		e.fail(err)
	default:
		// What came before the reset goes on as there is room; a stalled stream never has any.
		e.bytesAtCheck = bytes
		e.resetWhileStalled(err)
	}
}

func (e *tcpEnd) resetWhileStalled(err error) {
	e.mu.Lock()
	unsent := e.out.Size()
	e.out.Clear()
	e.sendErr = err
	e.mu.Unlock()
	e.sendFailed(err, unsent, wire.Own)
}
