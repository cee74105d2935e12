package wire

// smallPiece is the size below which pieces are gathered: one slice each would weigh many times
// their bytes.
const smallPiece = 16 << 10

// Backlog is a queue of bytes. It copies what it is given.
type Backlog struct {
	pieces [][]byte
	size   int
}

// Size returns how many bytes wait.
func (b *Backlog) Size() int {
	return b.size
}

// Push appends a copy of data.
func (b *Backlog) Push(data []byte) {
	if len(data) == 0 {
		return
	}
	b.size += len(data)
	if last := len(b.pieces) - 1; last >= 0 && len(data) < smallPiece {
		if piece := b.pieces[last]; len(piece) < 4*smallPiece {
			b.pieces[last] = append(piece, data...)
			return
		}
	}
	b.pieces = append(b.pieces, append([]byte(nil), data...))
}

// Pop takes at most most bytes off the front; nil when none wait. The bytes are the caller's.
func (b *Backlog) Pop(most int) []byte {
	if len(b.pieces) == 0 {
		return nil
	}
	piece := b.pieces[0]
	if len(piece) > most {
		// Without spare capacity: what is appended to the rest must not show up here.
		piece, b.pieces[0] = piece[:most:most], piece[most:]
	} else {
		b.pieces[0] = nil
		b.pieces = b.pieces[1:]
	}
	b.size -= len(piece)
	if b.size == 0 {
		b.pieces = nil
	}
	return piece
}

// PushFront puts back what Pop has returned, or the end of it.
func (b *Backlog) PushFront(rest []byte) {
	if len(rest) > 0 {
		b.pieces = append([][]byte{rest}, b.pieces...)
		b.size += len(rest)
	}
}

// Clear drops everything.
func (b *Backlog) Clear() {
	b.pieces, b.size = nil, 0
}

// DatagramQueue is what one stream of datagrams waits to send (SPEC.md section 10): bounded, it
// drops the oldest.
type DatagramQueue struct {
	queued [][]byte
	size   int // of the frames, headers included
}

// Len returns how many datagrams wait.
func (q *DatagramQueue) Len() int {
	return len(q.queued)
}

// Push appends a copy of a datagram. The oldest are dropped for it where there are too many: who
// waits for those has waited longest, and may have asked again already.
func (q *DatagramQueue) Push(datagram []byte) {
	size := StreamHeader + len(datagram)
	for len(q.queued) > 0 &&
		(len(q.queued) >= maxQueuedDatagrams || q.size+size > maxQueuedDatagramBytes) {
		q.Pop()
	}
	q.queued = append(q.queued, append(make([]byte, 0, len(datagram)), datagram...))
	q.size += size
}

// Pop takes the oldest; there must be one.
func (q *DatagramQueue) Pop() []byte {
	datagram := q.queued[0]
	q.queued[0] = nil
	q.queued = q.queued[1:]
	q.size -= StreamHeader + len(datagram)
	return datagram
}

// Clear drops everything.
func (q *DatagramQueue) Clear() {
	q.queued, q.size = nil, 0
}
