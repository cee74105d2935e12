package agent

import (
	"sync"
	"time"

	"norouter/agent/internal/wire"
)

const (
	reportInterval = 250 * time.Millisecond
	maxRows        = 1000 // streams in one report: far below the limit of a message
)

// directEnd is one end of a direct stream.
type directEnd interface {
	received() int64
	reset(code, reason string)
	isClosed() bool
}

func (e *tcpEnd) received() int64 {
	return e.bytesIn.Load()
}

// directStream is a stream that a host serves to itself, off the link: a client's end joined to a
// target's end, both here. The hub still shows it, so its counters are reported (SPEC.md section 3,
// event "direct").
type directStream struct {
	number   int64
	listener int64
	peer     wire.Address
	table    *directTable

	// Guarded by the table's lock.
	client, target directEnd
	state, reason  string
	reported       row
}

// row is a stream as section 3 of SPEC.md lists it, but for what never changes.
type row struct {
	sent, received int64
	state          string
}

// use makes client and target the ends of the stream, which observes both.
func (d *directStream) use(client, target directEnd, state string) {
	d.table.mu.Lock()
	defer d.table.mu.Unlock()
	d.client, d.target, d.state = client, target, state
	d.table.scheduleLocked()
}

// join makes two connected sockets of the link's streams the ends of the stream.
func (d *directStream) join(client, target *tcpEnd) {
	joinSockets(client, target, d)
	state := "open"
	for _, e := range []*tcpEnd{client, target} {
		e.mu.Lock()
		if e.gotEOF {
			state = "half-closed"
		}
		e.mu.Unlock()
	}
	d.use(client, target, state)
}

func (d *directStream) opened() {
	d.setState("open")
}

func (d *directStream) halfClosed() {
	d.setState("half-closed")
}

func (d *directStream) setState(state string) {
	d.table.mu.Lock()
	defer d.table.mu.Unlock()
	if d.state != "closed" {
		d.state = state
		d.table.scheduleLocked()
	}
}

// endClosed notes that one end has closed. An orderly end is over when both sides are.
func (d *directStream) endClosed(code, reason string) {
	d.table.mu.Lock()
	defer d.table.mu.Unlock()
	if d.state == "closed" {
		return
	}
	if code == "closed" {
		for _, end := range []directEnd{d.client, d.target} {
			if end != nil && !end.isClosed() {
				return
			}
		}
	}
	d.state, d.reason = "closed", code
	if reason != "" {
		d.reason += ": " + reason
	}
	d.table.endLocked(d)
}

func (d *directStream) snapshotLocked() row {
	now := row{state: d.state}
	if d.client != nil {
		now.sent = d.client.received()
	}
	if d.target != nil {
		now.received = d.target.received()
	}
	return now
}

func (d *directStream) rowLocked() []any {
	now := d.snapshotLocked()
	return []any{d.number, d.listener, d.peer.Host, d.peer.Port, now.sent, now.received, d.state, d.reason}
}

// reset ends both ends.
func (d *directStream) reset(code, reason string) {
	d.table.mu.Lock()
	ends := []directEnd{d.client, d.target}
	d.table.mu.Unlock()
	for _, end := range ends {
		if end != nil {
			end.reset(code, reason)
		}
	}
}

// directTable holds all direct streams, and tells of changes at most 4 times a second.
type directTable struct {
	report func([][]any)

	mu     sync.Mutex // taken last: nothing else is locked while it is held
	open   map[int64]*directStream
	ended  []*directStream
	last   int64
	timer  *time.Timer
	closed bool
}

func newDirectTable(report func([][]any)) *directTable {
	return &directTable{report: report, open: make(map[int64]*directStream)}
}

// add makes a new stream; nil when there are as many as a link may have.
func (t *directTable) add(listener int64, peer wire.Address) *directStream {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open) >= wire.MaxStreams {
		return nil
	}
	t.last++
	d := &directStream{number: t.last, listener: listener, peer: peer, table: t, state: "opening"}
	d.reported.sent = -1
	t.open[t.last] = d
	t.scheduleLocked()
	return d
}

// kill resets a stream both ways; an unknown one has ended already.
func (t *directTable) kill(number int64, code, reason string) {
	t.mu.Lock()
	d := t.open[number]
	t.mu.Unlock()
	if d != nil {
		d.reset(code, reason)
	}
}

// killListener resets every stream that came by a listener.
func (t *directTable) killListener(listener int64, code, reason string) {
	var streams []*directStream
	t.mu.Lock()
	for _, d := range t.open {
		if d.listener == listener {
			streams = append(streams, d)
		}
	}
	t.mu.Unlock()
	for _, d := range streams {
		d.reset(code, reason)
	}
}

// close reports no more.
func (t *directTable) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
}

func (t *directTable) endLocked(d *directStream) {
	if t.open[d.number] != nil {
		delete(t.open, d.number)
		t.ended = append(t.ended, d)
	}
	t.scheduleLocked()
}

func (t *directTable) scheduleLocked() {
	if t.timer == nil && !t.closed {
		t.timer = time.AfterFunc(reportInterval, t.send)
	}
}

// send reports what has changed. Ended streams are reported in full; there may be many open streams,
// whose counters take several messages.
func (t *directTable) send() {
	t.mu.Lock()
	t.timer = nil
	var rows [][]any
	for _, d := range t.ended {
		rows = append(rows, d.rowLocked())
	}
	t.ended = nil
	for _, d := range t.open {
		if now := d.snapshotLocked(); now != d.reported {
			d.reported = now
			rows = append(rows, d.rowLocked())
		}
	}
	if len(t.open) > 0 {
		t.scheduleLocked()
	}
	closed := t.closed
	t.mu.Unlock()
	for len(rows) > 0 && !closed {
		size := len(rows)
		if size > maxRows {
			size = maxRows
		}
		t.report(rows[:size])
		rows = rows[size:]
	}
}
