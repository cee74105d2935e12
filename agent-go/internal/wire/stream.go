package wire

// Stream is one stream's end on a link: its state, its two windows, and what it waits to send.
type Stream struct {
	ID    uint32
	State State

	// Owner belongs to the program around the connection.
	Owner any

	receiving receiveWindow
	sending   int // how much we may still send

	// pending was accepted for sending and has not been framed. It is the owner's memory, which
	// must stay as it is until then.
	pending   []byte
	datagrams *DatagramQueue // nil on a stream of bytes
	ending    bool           // EOF is due once pending is empty

	deficit int
	queued  bool // it stands in the outbox's ring
}

// IsDatagram reports whether this is a stream of datagrams (SPEC.md section 10).
func (s *Stream) IsDatagram() bool {
	return s.datagrams != nil
}

// Closed reports whether the stream has ended.
func (s *Stream) Closed() bool {
	return s.State == Closed
}

// GotEOF reports whether the peer sends no more.
func (s *Stream) GotEOF() bool {
	return s.State == HalfClosedRemote || s.State == OfferedGotEOF || s.State == Closed
}

// Room returns how many bytes may be sent now. It is 0 once EOF is due or sent.
func (s *Stream) Room() int {
	if s.ending || !maySend(s.State, Data) {
		return 0
	}
	return s.sending - len(s.pending)
}

// Pending returns how many bytes wait to be framed.
func (s *Stream) Pending() int {
	return len(s.pending)
}

// waits reports whether the stream has anything that is not framed yet.
func (s *Stream) waits() bool {
	if s.datagrams != nil {
		return s.datagrams.Len() > 0
	}
	return len(s.pending) > 0
}

// sendable reports whether anything of the stream may be framed now.
func (s *Stream) sendable() bool {
	if s.datagrams != nil {
		return s.datagrams.Len() > 0
	}
	return len(s.pending) > 0 && s.sending > 0
}
