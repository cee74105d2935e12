package wire

import (
	"encoding/binary"
	"unicode/utf8"
)

// NotReading is the reason for too-many when control frames pile up (SPEC.md section 9).
const NotReading = "the host is behind in reading what was sent to it"

var resetCodes = map[string]bool{
	"refused": true, "unreachable": true, "timeout": true, "name": true, "reset": true,
	"not-allowed": true, "gone": true, "killed": true, "unpublished": true, "too-many": true,
	"idle": true, "internal": true,
}

// EventKind says what an Event is.
type EventKind uint8

// The kinds of events.
const (
	Nothing     EventKind = iota // the frame had no consequence
	GotMessage                   // MessageKind and Body
	GotOffer                     // the peer opened Stream; Detail is its OPEN
	GotOpened                    // the peer answered Stream
	GotData                      // Data is what came; valid until the decoder is fed again
	GotDatagram                  // likewise
	GotCredit                    // more room on Stream
	GotEOF                       // the peer sends no more on Stream
	GotReset                     // the peer ended Stream both ways; Code and Reason say why
)

// Event is what a frame of the peer means.
type Event struct {
	Kind         EventKind
	Stream       *Stream
	Data         []byte
	Detail       Object
	MessageKind  string // request, result or event
	Body         Object
	Code, Reason string
}

// Conn is the agent's end of a link, without I/O and without a lock of its own.
//
// Receive turns a frame into an event. Message, Offer, Accept, Send, End, Reset and Consumed queue
// frames. The owner of the descriptor calls Fill, writes Writing and reports Wrote.
type Conn struct {
	// RoundTrip, in seconds, sizes the windows; the hub measures it.
	RoundTrip float64

	streams  map[uint32]*Stream
	outbox   outbox
	budget   budget
	next     uint32
	ownLast  uint32
	peerLast uint32
}

// NewConn returns the agent's end of a new link.
func NewConn() *Conn {
	return newConn(2)
}

// newConn returns an end whose streams have ids of first's parity.
func newConn(first uint32) *Conn {
	return &Conn{
		streams: make(map[uint32]*Stream),
		budget:  budget{total: LinkBudget},
		next:    first,
	}
}

// Stream returns the open stream with an id, or nil.
func (c *Conn) Stream(id int64) *Stream {
	if id < 0 || id > 1<<32-1 {
		return nil
	}
	return c.streams[uint32(id)]
}

// Streams returns all open streams.
func (c *Conn) Streams() []*Stream {
	all := make([]*Stream, 0, len(c.streams))
	for _, s := range c.streams {
		all = append(all, s)
	}
	return all
}

// Message queues an encoded message.
func (c *Conn) Message(payload []byte, cause Cause) {
	c.control(AppendMessage(c.outbox.control, payload), cause)
}

type offer struct {
	Listener int64   `json:"listener"`
	Peer     Address `json:"peer"`
	Proto    string  `json:"proto"`
	Window   int     `json:"window,omitempty"`
}

// Offer opens a stream for what arrived at a listener (SPEC.md section 4).
func (c *Conn) Offer(listener int64, peer Address, datagrams bool) *Stream {
	detail := offer{Listener: listener, Peer: peer, Proto: "udp"}
	s := c.newStream(c.next, Opening, 0, datagrams)
	if !datagrams {
		detail.Proto = "tcp"
		s.receiving = newReceiveWindow(&c.budget, c.budget.firstWindow())
		s.sending = EarlyWindow
		detail.Window = s.receiving.size
	}
	c.ownLast = c.next
	c.next += 2
	c.put(Open, s.ID, encode(detail), Own)
	return s
}

func (c *Conn) newStream(id uint32, state State, window int, datagrams bool) *Stream {
	s := &Stream{ID: id, State: state, sending: window}
	if datagrams {
		s.datagrams = &DatagramQueue{}
		s.receiving = newReceiveWindow(&c.budget, 0)
	}
	c.streams[id] = s
	return s
}

type answer struct {
	Peer   Address `json:"peer"`
	Window int     `json:"window,omitempty"`
}

// Accept answers an offered stream with the address that it now reaches; nothing if the stream has
// ended.
func (c *Conn) Accept(s *Stream, peer Address) {
	next := nextStates[s.State][sent][Opened]
	if next == forbidden {
		return
	}
	s.State = next
	detail := answer{Peer: peer}
	if s.datagrams == nil {
		detail.Window = s.receiving.accept()
	}
	c.put(Opened, s.ID, encode(detail), Own)
}

// BeginDirectWrite reports whether a DATA frame with size bytes may be written at once, past the
// queues, because nothing else waits. It then counts as sent, and must be the next thing that is
// written; what the descriptor does not take of it goes to QueueRest.
func (c *Conn) BeginDirectWrite(s *Stream, size int) bool {
	if !c.outbox.idle() || size > s.Room() || size > MaxData {
		return false
	}
	s.sending -= size
	return true
}

// QueueRest queues what is left of a frame whose beginning has been written.
func (c *Conn) QueueRest(rest []byte) {
	c.outbox.batch = append(c.outbox.batch, rest...)
}

// Send queues data, which is at most Room bytes, and which must not change before the stream is
// drained. One call at a time: the stream has nothing pending.
func (c *Conn) Send(s *Stream, data []byte) {
	if maySend(s.State, Data) && !s.ending {
		s.pending = data
		if s.sendable() {
			c.outbox.enqueue(s)
		}
	}
}

// SendDatagram queues a copy of one datagram. It is dropped if there is no room for it, if it is
// too large, and before and after the time in which the stream takes some.
func (c *Conn) SendDatagram(s *Stream, datagram []byte) {
	if maySend(s.State, Datagram) && !s.ending && len(datagram) <= MaxDatagramSize {
		c.outbox.putDatagram(s, datagram)
	}
}

// End half-closes a stream: EOF, once what is pending has been sent.
func (c *Conn) End(s *Stream, cause Cause) {
	if s.ending || !maySend(s.State, EOF) {
		return
	}
	s.ending = true
	c.endIfDue(s, cause)
}

func (c *Conn) endIfDue(s *Stream, cause Cause) {
	if !s.ending || s.waits() || !maySend(s.State, EOF) {
		return
	}
	s.State = nextStates[s.State][sent][EOF]
	c.put(EOF, s.ID, nil, cause)
	if s.State == Closed {
		c.close(s)
	}
}

// Reset ends a stream both ways, at once; nothing if it has ended.
func (c *Conn) Reset(s *Stream, code, reason string, cause Cause) {
	if !s.Closed() {
		c.put(Reset, s.ID, resetDetail(code, reason), cause)
		c.close(s)
	}
}

// Consumed notes that size bytes of what came have gone on; it gives credit when enough have. now
// is in seconds.
func (c *Conn) Consumed(s *Stream, size int, now float64, cause Cause) {
	if s.Closed() {
		return
	}
	credit := s.receiving.consumed(size, now, c.RoundTrip)
	// After their EOF nobody is left to use it.
	if credit > 0 && s.State != HalfClosedRemote {
		var payload [4]byte
		binary.BigEndian.PutUint32(payload[:], uint32(credit))
		c.put(Credit, s.ID, payload[:], cause)
	}
}

func (c *Conn) put(kind Kind, stream uint32, payload []byte, cause Cause) {
	c.control(AppendFrame(c.outbox.control, kind, stream, payload), cause)
}

func (c *Conn) control(grown []byte, cause Cause) {
	if cause == ByPeer {
		c.outbox.causedByPeer += len(grown) - len(c.outbox.control)
	}
	c.outbox.control = grown
}

// close ends a stream here; its owner finds that out by Closed.
func (c *Conn) close(s *Stream) {
	s.State = Closed
	c.outbox.forget(s)
	if _, open := c.streams[s.ID]; open {
		delete(c.streams, s.ID)
		s.receiving.close()
	}
}

// Drop ends a stream together with the link.
func (c *Conn) Drop(s *Stream) {
	c.close(s)
}

// Full reports whether the peer is too far behind to be asked for anything new.
func (c *Conn) Full() bool {
	return c.outbox.full()
}

// CheckBacklog returns a violation with the code "backlog" when the peer causes control frames and
// reads none.
func (c *Conn) CheckBacklog() *Violation {
	if size := c.outbox.causedByPeer; size > MaxControlBacklog {
		return violation("backlog", "%d bytes of control frames unread", size)
	}
	return nil
}

// Fill frames what is to be sent next, if nothing is on its way, and calls drained for every stream
// whose pending bytes have all been taken. It reports whether there is anything to write.
func (c *Conn) Fill(drained func(*Stream)) bool {
	if len(c.outbox.batch) == 0 {
		c.outbox.fill(func(s *Stream) {
			c.endIfDue(s, Own)
			drained(s)
		})
		if len(c.outbox.batch) == 0 && len(c.outbox.control) > 0 {
			return c.Fill(drained) // an EOF that was due behind the last bytes
		}
	}
	return len(c.outbox.batch) > 0
}

// Writing returns what is on its way to the descriptor.
func (c *Conn) Writing() []byte {
	return c.outbox.batch[c.outbox.written:]
}

// Wrote notes that size bytes of Writing have been written.
func (c *Conn) Wrote(size int) {
	c.outbox.wrote(size)
}

// Receive returns what a frame means. Events are to be acted on in order.
func (c *Conn) Receive(frame Frame) (Event, *Violation) {
	switch frame.Kind {
	case JSON:
		return receiveMessage(frame.Payload)
	case Open:
		return c.receiveOpen(frame)
	}
	s := c.streams[frame.Stream]
	if s == nil {
		return Event{}, c.checkWasOpen(frame)
	}
	next, err := afterReceiving(s.State, frame.Kind)
	if err != nil {
		return Event{}, err
	}
	if err := checkProto(s, frame.Kind); err != nil {
		return Event{}, err
	}
	switch frame.Kind {
	case Opened:
		return c.receiveOpened(s, next, frame.Payload)
	case Data:
		return Event{Kind: GotData, Stream: s, Data: frame.Payload}, s.receiving.onData(len(frame.Payload))
	case Datagram:
		return Event{Kind: GotDatagram, Stream: s, Data: frame.Payload}, nil
	case Credit:
		s.sending, err = addCredit(s.sending, int(binary.BigEndian.Uint32(frame.Payload)))
		if err == nil && s.sendable() {
			c.outbox.enqueue(s)
		}
		return Event{Kind: GotCredit, Stream: s}, err
	case Reset:
		return c.receiveReset(s, frame.Payload)
	default: // EOF
		if s.State = next; next == Closed {
			c.close(s)
		}
		return Event{Kind: GotEOF, Stream: s}, nil
	}
}

// checkProto holds a stream to the frames of its protocol (SPEC.md section 10).
func checkProto(s *Stream, kind Kind) *Violation {
	if s.IsDatagram() && (kind == Data || kind == Credit) {
		return violation("stream", "%v on stream %d, which is one of datagrams", kind, s.ID)
	}
	if !s.IsDatagram() && kind == Datagram {
		return violation("stream", "DATAGRAM on stream %d, which is one of bytes", s.ID)
	}
	return nil
}

func (c *Conn) checkWasOpen(frame Frame) *Violation {
	last := c.peerLast
	if c.isOwn(frame.Stream) {
		last = c.ownLast
	}
	if frame.Stream == 0 || frame.Stream > last {
		return violation("stream", "%v on stream %d, which was never opened", frame.Kind, frame.Stream)
	}
	return nil
}

// isOwn reports whether an id is of the parity of this end's streams.
func (c *Conn) isOwn(id uint32) bool {
	return id%2 == c.next%2
}

func (c *Conn) receiveOpen(frame Frame) (Event, *Violation) {
	if c.isOwn(frame.Stream) || frame.Stream <= c.peerLast {
		return Event{}, violation("stream", "OPEN of stream %d after %d", frame.Stream, c.peerLast)
	}
	c.peerLast = frame.Stream
	detail, err := ParseObject(frame.Payload)
	if err != nil {
		return Event{}, err
	}
	datagrams, err := detail.IsDatagram()
	if err != nil {
		return Event{}, err
	}
	window := int64(0)
	if !datagrams {
		if window, err = detail.Int("window"); err == nil {
			err = checkWindow(window)
		}
		if err != nil {
			return Event{}, err
		}
	}
	if c.Full() || len(c.streams) >= MaxStreams || c.budget.exhausted() {
		reason := NotReading
		if !c.Full() {
			reason = "too many streams are open on this link"
		}
		c.put(Reset, frame.Stream, resetDetail("too-many", reason), ByPeer)
		return Event{}, nil
	}
	s := c.newStream(frame.Stream, Offered, int(window), datagrams)
	if !datagrams {
		s.receiving = newReceiveWindow(&c.budget, EarlyWindow)
	}
	return Event{Kind: GotOffer, Stream: s, Detail: detail}, nil
}

func (c *Conn) receiveOpened(s *Stream, next State, payload []byte) (Event, *Violation) {
	detail, err := ParseObject(payload)
	if err != nil {
		return Event{}, err
	}
	if s.datagrams == nil {
		window, err := detail.Int("window")
		if err == nil {
			err = checkWindow(window)
		}
		if err != nil {
			return Event{}, err
		}
		s.sending += int(window) - EarlyWindow
	}
	s.State = next
	if s.sendable() {
		c.outbox.enqueue(s)
	}
	return Event{Kind: GotOpened, Stream: s, Detail: detail}, nil
}

func (c *Conn) receiveReset(s *Stream, payload []byte) (Event, *Violation) {
	detail, err := ParseObject(payload)
	if err != nil {
		return Event{}, err
	}
	code, err := detail.Text("code")
	if err != nil {
		return Event{}, err
	}
	reason, err := detail.Text("reason")
	if err != nil {
		return Event{}, err
	}
	c.close(s)
	return Event{Kind: GotReset, Stream: s, Code: knownCode(code), Reason: bounded(reason)}, nil
}

func receiveMessage(payload []byte) (Event, *Violation) {
	object, err := ParseObject(payload)
	if err != nil {
		return Event{}, err
	}
	kind, err := object.Text("type")
	if err != nil {
		return Event{}, err
	}
	if kind != "request" && kind != "result" && kind != "event" {
		return Event{}, violation("json", "a message of type %.100q", kind)
	}
	body, err := object.Object("body")
	return Event{Kind: GotMessage, MessageKind: kind, Body: body}, err
}

// resetDetail returns the object of a RESET: a code of SPEC.md section 4, and a reason of bounded
// length.
func resetDetail(code, reason string) []byte {
	return encode(Failure{knownCode(code), bounded(reason)})
}

func knownCode(code string) string {
	if resetCodes[code] {
		return code
	}
	return "internal"
}

func bounded(reason string) string {
	if utf8.RuneCountInString(reason) > 500 {
		return string([]rune(reason)[:500])
	}
	return reason
}
