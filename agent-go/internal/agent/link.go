package agent

import (
	"io"
	"os"
	"sync"
	"time"

	"norouter/agent/internal/wire"
)

// maxTurns is how many batches a goroutine that has something to send writes for all others, before
// the link's own goroutine goes on.
const maxTurns = 4

// link is the I/O of one link: a wire.Conn over two descriptors.
//
// Code that queues a frame calls flush, which writes as much as the descriptor takes and never waits;
// what it does not take is written by one goroutine. So reading goes on while writing is blocked,
// and most frames need no other goroutine to be woken.
type link struct {
	in  *input
	out *channel

	begun time.Time
	ended chan struct{}

	mu        sync.Mutex // guards what follows, and every wire.Stream
	conn      *wire.Conn
	heartbeat *wire.Heartbeat
	flushing  bool // some goroutine writes, or waits to
	reason    string
	violation *wire.Violation

	behind chan struct{} // to the goroutine that writes what the descriptor did not take
}

// handler is who is behind a link. Its methods are called in the goroutine that reads the link.
type handler interface {
	message(kind string, body wire.Object) *wire.Violation
	offered(s *wire.Stream, detail wire.Object) *wire.Violation
}

// streamOwner is the other end of a stream of the link.
type streamOwner interface {
	// receive takes all of data, which is valid during the call only.
	receive(data []byte)
	// opened notes that the peer has answered.
	opened()
	// receiveEOF half-closes towards the outside, behind what was received.
	receiveEOF()
	// reset ends both ways towards the outside, at once.
	reset(code, reason string)
	// room notes that more may be sent, or that what was pending has been sent, or that the stream
	// has ended. The link is locked meanwhile.
	room()
}

func newLink(in, out *os.File) *link {
	return &link{
		in:     newInput(in),
		out:    newChannel(out),
		begun:  time.Now(),
		ended:  make(chan struct{}),
		conn:   wire.NewConn(),
		behind: make(chan struct{}, 1),
	}
}

// now returns the seconds since the link began.
func (l *link) now() float64 {
	return time.Since(l.begun).Seconds()
}

// run serves the link until it ends.
func (l *link) run(h handler) {
	go l.writeRest()
	buffer := make([]byte, wire.MaxData)
	var decoder wire.Decoder
	for !l.isDown() {
		size, err := l.in.Read(buffer)
		if size > 0 {
			l.received(&decoder, buffer[:size], h)
		}
		if err == io.EOF {
			// What carries the link may be killed at any byte, so the end may come inside a frame.
			l.end("the other side closed the link")
		} else if err != nil {
			l.end("reading failed: " + errorText(err))
		}
	}
}

func (l *link) isDown() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// end ends the link. The code that waits for ended resets its streams.
func (l *link) end(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endLocked(reason, nil)
}

// breach ends the link because the hub broke the protocol.
func (l *link) breach(violation *wire.Violation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endLocked(violation.Error(), violation)
}

func (l *link) endLocked(reason string, violation *wire.Violation) {
	if !l.isDown() {
		l.reason, l.violation = reason, violation
		close(l.ended)
	}
}

// startHeartbeat begins to ping, and to demand signs of life, every interval seconds.
func (l *link) startHeartbeat(interval float64) {
	l.mu.Lock()
	l.heartbeat = wire.NewHeartbeat(interval, l.now())
	l.mu.Unlock()
	go func() {
		for {
			select {
			case <-l.ended:
				return
			case <-time.After(l.beat()):
			}
		}
	}()
}

type ping struct {
	N   int      `json:"n"`
	RTT *float64 `json:"rtt"`
}

// beat sends a ping, or ends the link after too long a silence. It returns when to call it again.
func (l *link) beat() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if l.heartbeat.Silent(now) {
		l.endLocked("nothing was heard", nil)
		return 0
	}
	// Behind so many other frames a ping would measure nothing, and only add to them.
	if !l.conn.Full() {
		l.conn.Message(wire.EncodeEvent("ping", ping{N: l.heartbeat.Ping()}), wire.Own)
		l.flushLocked()
	}
	return time.Duration(l.heartbeat.NextDue(now) * float64(time.Second))
}

// message queues an encoded message and sends it.
func (l *link) message(payload []byte, cause wire.Cause) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn.Message(payload, cause)
	if cause == wire.Own {
		l.flushLocked() // what the peer causes goes in one write, after all of its frames
	}
}

// consumed gives credit for what came on a stream and has gone on.
func (l *link) consumed(s *wire.Stream, size int, cause wire.Cause) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn.Consumed(s, size, l.now(), cause)
	if cause == wire.Own {
		l.flushLocked()
	}
}

// resetStream ends a stream from this side.
func (l *link) resetStream(s *wire.Stream, code, reason string, cause wire.Cause) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn.Reset(s, code, reason, cause)
	wakeOwner(s)
	if cause == wire.Own {
		l.flushLocked()
	}
}

// endStream half-closes a stream, behind what is pending.
func (l *link) endStream(s *wire.Stream, cause wire.Cause) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn.End(s, cause)
	if cause == wire.Own {
		l.flushLocked()
	}
}

// -- writing

func (l *link) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flushLocked()
}

// flushLocked writes what is queued as far as the descriptor takes it. The lock is let go meanwhile.
func (l *link) flushLocked() {
	if l.flushing {
		return
	}
	l.flushing = true
	for turn := 0; !l.isDown() && l.conn.Fill(wakeOwner); turn++ {
		whole := l.writeOnce(l.conn.Writing(), l.conn.Wrote)
		if !whole || turn == maxTurns {
			l.behind <- struct{}{} // flushing stays true until all is written
			return
		}
	}
	l.flushing = false
}

// writeOnce writes what the descriptor takes of data at once, without the lock, and reports whether
// that was all. The caller has set flushing.
func (l *link) writeOnce(data []byte, wrote func(int)) bool {
	l.mu.Unlock()
	size, err := l.out.tryWrite(data)
	l.mu.Lock()
	if err != nil {
		l.endLocked("writing failed: "+errorText(err), nil)
	}
	wrote(size)
	return size == len(data)
}

// writeDirect writes a frame at once whose bytes nothing else stands before: conn.BeginDirectWrite
// was true. The link is locked.
func (l *link) writeDirect(frame []byte) {
	l.flushing = true
	whole := l.writeOnce(frame, func(size int) { l.conn.QueueRest(frame[size:]) })
	if !whole {
		l.behind <- struct{}{}
		return
	}
	l.flushing = false
	l.flushLocked()
}

// writeRest writes what the descriptor did not take at once, and waits for it.
func (l *link) writeRest() {
	for {
		select {
		case <-l.ended:
			return
		case <-l.behind:
		}
		l.mu.Lock()
		for !l.isDown() && l.conn.Fill(wakeOwner) {
			data := l.conn.Writing()
			l.mu.Unlock()
			err := l.out.write(data)
			l.mu.Lock()
			if err != nil {
				l.endLocked("writing failed: "+errorText(err), nil)
				break
			}
			l.conn.Wrote(len(data))
		}
		l.flushing = false
		l.mu.Unlock()
	}
}

func wakeOwner(s *wire.Stream) {
	if owner, ok := s.Owner.(streamOwner); ok {
		owner.room()
	}
}

// -- reading

// received acts on what was read.
func (l *link) received(decoder *wire.Decoder, data []byte, h handler) {
	l.mu.Lock()
	if l.heartbeat != nil {
		l.heartbeat.Heard(l.now())
	}
	l.mu.Unlock()
	for {
		frame, rest, ok, violation := decoder.Next(data)
		if violation != nil {
			l.breach(violation)
			return
		}
		if !ok || l.isDown() {
			break
		}
		data = rest
		l.mu.Lock()
		event, violation := l.conn.Receive(frame)
		if event.Kind == wire.GotCredit || event.Kind == wire.GotReset {
			wakeOwner(event.Stream)
		}
		l.mu.Unlock()
		if violation == nil {
			violation = l.dispatch(event, h)
		}
		if violation != nil {
			l.breach(violation)
			return
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if violation := l.conn.CheckBacklog(); violation != nil {
		l.endLocked(violation.Error(), violation)
		return
	}
	l.flushLocked()
}

func (l *link) dispatch(event wire.Event, h handler) *wire.Violation {
	switch event.Kind {
	case wire.GotMessage:
		return l.dispatchMessage(event, h)
	case wire.GotOffer:
		return h.offered(event.Stream, event.Detail)
	}
	if event.Stream == nil {
		return nil
	}
	owner, ok := event.Stream.Owner.(streamOwner)
	if !ok {
		return nil
	}
	switch event.Kind {
	case wire.GotOpened:
		if _, err := event.Detail.Address("peer"); err != nil {
			return err
		}
		owner.opened()
	case wire.GotData, wire.GotDatagram:
		owner.receive(event.Data)
	case wire.GotEOF:
		owner.receiveEOF()
	case wire.GotReset:
		owner.reset(event.Code, event.Reason)
	}
	return nil
}

type pong struct {
	N int64 `json:"n"`
}

// dispatchMessage answers a ping by itself, and leaves the rest to the handler.
func (l *link) dispatchMessage(event wire.Event, h handler) *wire.Violation {
	name := ""
	if event.MessageKind == "event" {
		name, _ = event.Body.Text("type")
	}
	if name != "ping" && name != "pong" {
		return h.message(event.MessageKind, event.Body)
	}
	data, err := event.Body.Object("data")
	if err != nil {
		return err
	}
	number, err := data.Int("n")
	if err != nil || name == "pong" {
		return err
	}
	if data.Has("rtt") {
		seconds, err := data.Float("rtt")
		if err != nil {
			return err
		}
		l.setRoundTrip(seconds)
	}
	l.message(wire.EncodeEvent("pong", pong{number}), wire.ByPeer)
	return nil
}

// setRoundTrip notes the hub's measurement. One that tells nonsense must not make windows of any
// size.
func (l *link) setRoundTrip(seconds float64) {
	if seconds < 0 {
		seconds = 0
	}
	if seconds > 5 {
		seconds = 5
	}
	l.mu.Lock()
	l.conn.RoundTrip = seconds
	l.mu.Unlock()
}
