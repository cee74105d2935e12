package wire

import (
	"bytes"
	"math/rand"
	"strings"
	"testing"
)

// peer is one end of a pair without I/O: what it queues is carried to the other one.
type peer struct {
	*Conn
	decoder Decoder
	events  []Event
}

func newPair() (hub, agent *peer) {
	return &peer{Conn: newConn(1)}, &peer{Conn: newConn(2)}
}

// carry takes what one end has to send to the other one, in pieces of at most most bytes.
func carry(t *testing.T, from, to *peer, most int) {
	t.Helper()
	for from.Fill(func(*Stream) {}) {
		data := append([]byte(nil), from.Writing()...)
		from.Wrote(len(data))
		for len(data) > 0 {
			size := min(most, len(data))
			to.feed(t, data[:size])
			data = data[size:]
		}
	}
}

func (p *peer) feed(t *testing.T, data []byte) {
	t.Helper()
	for {
		frame, rest, ok, err := p.decoder.Next(data)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return
		}
		data = rest
		event, err := p.Receive(frame)
		if err != nil {
			t.Fatal(err)
		}
		event.Data = append([]byte(nil), event.Data...)
		p.events = append(p.events, event)
	}
}

func (p *peer) take(t *testing.T, kind EventKind) Event {
	t.Helper()
	if len(p.events) == 0 || p.events[0].Kind != kind {
		t.Fatalf("not %d: %+v", kind, p.events)
	}
	event := p.events[0]
	p.events = p.events[1:]
	return event
}

func TestAStreamFromOpenToClosedAtEverySplit(t *testing.T) {
	for most := 1; most < 80; most++ {
		hub, agent := newPair()
		s := agent.Offer(7, Address{"127.0.0.1", 1}, false)
		agent.Send(s, []byte("early"))
		carry(t, agent, hub, most)
		far := hub.take(t, GotOffer).Stream
		hub.Accept(far, Address{"10.0.0.1", 80})
		hub.Send(far, []byte("answer"))
		hub.End(far, Own)
		carry(t, hub, agent, most)
		agent.take(t, GotOpened)
		var got []byte
		for len(agent.events) > 0 && agent.events[0].Kind == GotData {
			got = append(got, agent.take(t, GotData).Data...)
		}
		agent.take(t, GotEOF)
		if string(got) != "answer" || s.State != HalfClosedRemote {
			t.Fatalf("%q, %v", got, s.State)
		}
		agent.End(s, Own)
		carry(t, agent, hub, most)
		if !s.Closed() || !far.Closed() || len(hub.Streams())+len(agent.Streams()) != 0 {
			t.Fatal("it has not ended")
		}
		if agent.budget.spent != 0 || hub.budget.spent != 0 {
			t.Fatal("the budget is not given back")
		}
	}
}

func TestNoMoreIsSentThanTheWindowAllows(t *testing.T) {
	hub, agent := newPair()
	s := agent.Offer(7, Address{"127.0.0.1", 1}, false)
	data := make([]byte, 1<<20)
	rand.New(rand.NewSource(1)).Read(data)
	agent.Send(s, data)
	agent.End(s, Own)
	carry(t, agent, hub, 1000)
	far := hub.take(t, GotOffer).Stream
	var got bytes.Buffer
	drain := func() int {
		size := got.Len()
		for len(hub.events) > 0 && hub.events[0].Kind == GotData {
			got.Write(hub.take(t, GotData).Data)
		}
		return got.Len() - size
	}
	if size := drain(); size != EarlyWindow {
		t.Fatalf("%d bytes before the answer", size)
	}
	hub.Accept(far, Address{"10.0.0.1", 80})
	carry(t, hub, agent, 1000)
	carry(t, agent, hub, 1000)
	if size := drain(); size != startWindow-EarlyWindow {
		t.Fatalf("%d bytes after the answer", size)
	}
	consumed := 0
	for round := 0; got.Len() < len(data); round++ {
		hub.Consumed(far, got.Len()-consumed, float64(round), Own)
		consumed = got.Len()
		carry(t, hub, agent, 1000)
		carry(t, agent, hub, 1000)
		if drain() == 0 {
			t.Fatal("it stalls")
		}
	}
	if !bytes.Equal(got.Bytes(), data) || far.State != HalfClosedRemote {
		t.Fatal("not what was sent")
	}
}

func TestStreamsTakeTurns(t *testing.T) {
	_, agent := newPair()
	var streams []*Stream
	for i := 0; i < 3; i++ {
		s := agent.Offer(1, Address{"a", 1}, false)
		s.sending = 1 << 20
		agent.Send(s, make([]byte, 200<<10))
		streams = append(streams, s)
	}
	agent.Fill(func(*Stream) {})
	for i, s := range streams {
		if sent := 200<<10 - s.Pending(); sent < quantum || sent > 2*quantum {
			t.Errorf("stream %d: %d bytes in the first batch", i, sent)
		}
	}
}

func TestViolationsOfThePeer(t *testing.T) {
	open := `{"listener":1,"peer":["a",1],"window":16384}`
	for name, c := range map[string]struct {
		frames []Frame
		code   string
	}{
		"our parity":        {[]Frame{{Open, 2, []byte(open)}}, "stream"},
		"stream 0":          {[]Frame{{EOF, 0, nil}}, "stream"},
		"not rising":        {[]Frame{{Open, 3, []byte(open)}, {Open, 3, []byte(open)}}, "stream"},
		"never opened":      {[]Frame{{EOF, 5, nil}}, "stream"},
		"never ours":        {[]Frame{{EOF, 4, nil}}, "stream"},
		"EOF twice":         {[]Frame{{Open, 1, []byte(open)}, {EOF, 1, nil}, {EOF, 1, nil}}, "stream"},
		"OPENED of offer":   {[]Frame{{Open, 1, []byte(open)}, {Opened, 1, []byte(open)}}, "stream"},
		"small window":      {[]Frame{{Open, 1, []byte(`{"window":1}`)}}, "window"},
		"no window":         {[]Frame{{Open, 1, []byte(`{}`)}}, "json"},
		"too much":          {[]Frame{{Open, 1, []byte(open)}, {Data, 1, make([]byte, EarlyWindow+1)}}, "window"},
		"credit of 0":       {[]Frame{{Open, 1, []byte(open)}, {Credit, 1, make([]byte, 4)}}, "window"},
		"credit too high":   {[]Frame{{Open, 1, []byte(open)}, {Credit, 1, []byte{0x7f, 255, 255, 255}}}, "window"},
		"proto":             {[]Frame{{Open, 1, []byte(`{"proto":"sctp"}`)}}, "json"},
		"datagram of bytes": {[]Frame{{Open, 1, []byte(open)}, {Datagram, 1, nil}}, "stream"},
		"data of datagrams": {[]Frame{{Open, 1, []byte(`{"proto":"udp"}`)}, {Data, 1, []byte("x")}}, "stream"},
		"reset without":     {[]Frame{{Open, 1, []byte(open)}, {Reset, 1, []byte(`{}`)}}, "json"},
		"a strange message": {[]Frame{{JSON, 0, []byte(`{"type":"x","body":{}}`)}}, "json"},
	} {
		conn := NewConn()
		var err *Violation
		for _, frame := range c.frames {
			if err != nil {
				t.Fatalf("%s: too early: %v", name, err)
			}
			_, err = conn.Receive(frame)
		}
		if err == nil || err.Code != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFramesOfAnEndedStreamAreIgnored(t *testing.T) {
	conn := NewConn()
	s := conn.Offer(1, Address{"a", 1}, false)
	conn.Reset(s, "killed", strings.Repeat("é", 600), Own)
	for _, frame := range []Frame{{Opened, 2, []byte("{}")}, {Data, 2, []byte("x")}, {EOF, 2, nil}} {
		if event, err := conn.Receive(frame); err != nil || event.Kind != Nothing {
			t.Errorf("%v: %v %v", frame.Kind, event, err)
		}
	}
}

func TestABacklogThatThePeerCausesIsAViolation(t *testing.T) {
	conn := NewConn()
	for conn.CheckBacklog() == nil {
		conn.Message(make([]byte, 1000), ByPeer)
	}
	if len(conn.outbox.control) < MaxControlBacklog || !conn.Full() {
		t.Fatal("too early")
	}
	conn.Fill(func(*Stream) {})
	if conn.CheckBacklog() != nil || conn.Full() {
		t.Fatal("what is on its way still counts")
	}
}

func TestDatagramsAreDroppedWhereTooManyWait(t *testing.T) {
	conn := NewConn()
	s := conn.Offer(1, Address{"a", 1}, true)
	for i := 0; i < 100; i++ {
		conn.SendDatagram(s, []byte{byte(i)})
	}
	if s.datagrams.Len() != maxQueuedDatagrams || s.datagrams.queued[0][0] != 100-maxQueuedDatagrams {
		t.Fatalf("%d wait", s.datagrams.Len())
	}
	conn.SendDatagram(s, make([]byte, MaxDatagramSize+1))
	conn.End(s, Own)
	if conn.Fill(func(*Stream) {}); conn.outbox.datagramBytes != 0 || s.State != OpeningSentEOF {
		t.Fatalf("%d bytes, %v", conn.outbox.datagramBytes, s.State)
	}
}

func TestStatesOfSpec(t *testing.T) {
	for state := Opening; state <= Closed; state++ {
		for kind := Kind(0); kind < numKinds; kind++ {
			for _, way := range []direction{sent, got} {
				next := nextStates[state][way][kind]
				if state == Closed && next != forbidden {
					t.Errorf("%v is left by %v", state, kind)
				}
				if kind == Reset && state != Closed && next != Closed {
					t.Errorf("%v is not ended by RESET", state)
				}
			}
		}
	}
}

func TestBacklogKeepsTheOrder(t *testing.T) {
	var b Backlog
	random := rand.New(rand.NewSource(3))
	var want, have []byte
	for i := 0; i < 2000; i++ {
		piece := make([]byte, random.Intn(40000))
		random.Read(piece)
		b.Push(piece)
		want = append(want, piece...)
		for random.Intn(3) > 0 {
			have = append(have, b.Pop(1+random.Intn(30000))...)
		}
	}
	for b.Size() > 0 {
		have = append(have, b.Pop(1000)...)
	}
	if !bytes.Equal(have, want) {
		t.Fatal("not the bytes that were pushed")
	}
}
