package wire

// Cause is whose frame a control frame follows from (SPEC.md section 9).
type Cause bool

// The causes of control frames.
const (
	Own    Cause = false // a local socket, a timer, a request of ours
	ByPeer Cause = true  // a frame of the link's peer
)

// outbox is what a link sends next (SPEC.md section 6): control first, then streams in turn.
//
// What is on its way to the descriptor is batch[written:], in order, and cannot change.
type outbox struct {
	batch         []byte
	written       int
	control       []byte // whole frames
	causedByPeer  int    // bytes of control that the peer's frames caused
	datagramBytes int
	ring          []*Stream // in turn; a stream stands in it at most once
}

// idle reports whether nothing waits at all.
func (o *outbox) idle() bool {
	return len(o.batch) == 0 && len(o.control) == 0 && len(o.ring) == 0
}

// full reports whether the peer is too far behind to be asked for anything new.
func (o *outbox) full() bool {
	return len(o.control) > MaxControlBacklog
}

// enqueue puts a stream at the end of the ring, unless it stands there already.
func (o *outbox) enqueue(s *Stream) {
	if !s.queued {
		s.queued, s.deficit = true, 0
		o.ring = append(o.ring, s)
	}
}

func (o *outbox) putDatagram(s *Stream, datagram []byte) {
	if o.datagramBytes+StreamHeader+len(datagram) > maxLinkDatagramBytes {
		return
	}
	o.datagramBytes -= s.datagrams.size
	s.datagrams.Push(datagram)
	o.datagramBytes += s.datagrams.size
	o.enqueue(s)
}

// forget drops what a stream still waited to send. It stays in the ring until its turn, which it
// then passes.
func (o *outbox) forget(s *Stream) {
	s.pending = nil
	if s.datagrams != nil {
		o.datagramBytes -= s.datagrams.size
		s.datagrams.Clear()
	}
}

// fill frames what comes next into an empty batch, and calls drained for each stream whose pending
// bytes have all been taken.
func (o *outbox) fill(drained func(*Stream)) {
	o.batch, o.control = o.control, o.batch[:0]
	o.written, o.causedByPeer = 0, 0
	if cap(o.control) > 2*batchBytes {
		o.control = nil // a backlog was here; memory goes back
	}
	for len(o.ring) > 0 && len(o.batch) < batchBytes {
		s := o.ring[0]
		if s.sendable() {
			o.turn(s)
		}
		o.ring[0] = nil
		o.ring = o.ring[1:]
		if s.sendable() {
			o.ring = append(o.ring, s)
			continue
		}
		s.queued = false
		if !s.waits() {
			drained(s)
		}
	}
	if len(o.ring) == 0 {
		o.ring = nil
	}
}

// turn frames a stream's next bytes or datagrams: deficit round robin.
func (o *outbox) turn(s *Stream) {
	if len(o.ring) == 1 {
		s.deficit += MaxData
	} else {
		s.deficit += quantum
	}
	for s.deficit > 0 && s.sendable() {
		if s.datagrams != nil {
			datagram := s.datagrams.Pop()
			o.datagramBytes -= StreamHeader + len(datagram)
			o.batch = AppendFrame(o.batch, Datagram, s.ID, datagram)
			s.deficit -= StreamHeader + len(datagram)
			continue
		}
		size := min(min(len(s.pending), s.deficit), min(s.sending, MaxData))
		o.batch = AppendFrame(o.batch, Data, s.ID, s.pending[:size])
		s.pending = s.pending[size:]
		s.sending -= size
		s.deficit -= size
	}
}

// wrote takes size bytes off the front of what is on its way.
func (o *outbox) wrote(size int) {
	o.written += size
	if o.written == len(o.batch) {
		o.batch, o.written = o.batch[:0], 0
	}
}
