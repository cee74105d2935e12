package wire

import (
	"encoding/binary"
	"fmt"
)

// Kind is the type of a frame (SPEC.md section 1).
type Kind uint16

// The types of frames.
const (
	L3       Kind = 0x01
	JSON     Kind = 0x02
	Open     Kind = 0x10
	Opened   Kind = 0x11
	Data     Kind = 0x12
	Credit   Kind = 0x13
	EOF      Kind = 0x14
	Reset    Kind = 0x15
	Datagram Kind = 0x16
	numKinds      = 0x17
)

var kindNames = map[Kind]string{
	L3: "L3", JSON: "JSON", Open: "OPEN", Opened: "OPENED", Data: "DATA", Credit: "CREDIT",
	EOF: "EOF", Reset: "RESET", Datagram: "DATAGRAM",
}

func (k Kind) String() string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	return fmt.Sprintf("0x%x", uint16(k))
}

// payloadSizes holds the least and the greatest size of the payload behind the stream id (behind
// the header for JSON).
var payloadSizes = map[Kind][2]int{
	JSON:     {2, MaxJSON},
	Open:     {2, MaxStreamJSON},
	Opened:   {2, MaxStreamJSON},
	Data:     {1, MaxData},
	Credit:   {4, 4},
	EOF:      {0, 0},
	Reset:    {2, MaxStreamJSON},
	Datagram: {0, MaxDatagramSize},
}

// PutHeader writes the header of a stream frame with size bytes of payload into the first
// StreamHeader bytes of buf.
func PutHeader(buf []byte, kind Kind, stream uint32, size int) {
	binary.BigEndian.PutUint32(buf, magic<<24|uint32(size+8))
	binary.BigEndian.PutUint16(buf[4:], uint16(kind))
	binary.BigEndian.PutUint16(buf[6:], 0)
	binary.BigEndian.PutUint32(buf[8:], stream)
}

// AppendFrame appends a whole frame of a stream to buf.
func AppendFrame(buf []byte, kind Kind, stream uint32, payload []byte) []byte {
	var header [StreamHeader]byte
	PutHeader(header[:], kind, stream, len(payload))
	return append(append(buf, header[:]...), payload...)
}

// AppendMessage appends a JSON frame with an encoded message to buf.
func AppendMessage(buf, payload []byte) []byte {
	var header [headerSize]byte
	binary.BigEndian.PutUint32(header[:], magic<<24|uint32(len(payload)+4))
	binary.BigEndian.PutUint16(header[4:], uint16(JSON))
	return append(append(buf, header[:]...), payload...)
}

// Frame is one frame, or a piece of a DATA frame: those are passed on as their bytes come. JSON
// has the stream 0. Payload is valid until the decoder is given other bytes.
type Frame struct {
	Kind    Kind
	Stream  uint32
	Payload []byte
}

// Decoder splits a byte stream into frames. Its zero value is ready to use; after a violation it
// must not be used any more.
type Decoder struct {
	head   []byte // of a header that was cut short
	body   []byte // of a frame other than DATA that was cut short
	inside bool   // a frame has begun: kind, stream and left say which, and how much is missing
	kind   Kind
	stream uint32
	left   int
}

// Idle reports whether the decoder is between two frames: an end of the byte stream here cuts
// nothing off.
func (d *Decoder) Idle() bool {
	return !d.inside && len(d.head) == 0
}

// Next takes bytes off the front of data. It returns the next frame if those complete one, and the
// bytes that are left; without a frame none are left. The error is a violation with the code
// "frame" or "length".
func (d *Decoder) Next(data []byte) (frame Frame, rest []byte, ok bool, err *Violation) {
	for {
		if !d.inside {
			if len(data) == 0 {
				return Frame{}, nil, false, nil
			}
			if data, err = d.readHeader(data); err != nil {
				return Frame{}, nil, false, err
			}
			continue
		}
		if d.kind == Data {
			if len(data) == 0 {
				return Frame{}, nil, false, nil
			}
			size := min(len(data), d.left)
			d.left -= size
			d.inside = d.left > 0
			return Frame{Data, d.stream, data[:size]}, data[size:], true, nil
		}
		if len(data) < d.left {
			d.body = append(d.body, data...)
			d.left -= len(data)
			return Frame{}, nil, false, nil
		}
		payload := data[:d.left]
		if len(d.body) > 0 {
			payload = append(d.body, payload...)
			d.body = nil
		}
		data = data[d.left:]
		d.inside, d.left = false, 0
		return Frame{d.kind, d.stream, payload}, data, true, nil
	}
}

func (d *Decoder) readHeader(data []byte) ([]byte, *Violation) {
	if len(d.head) == 0 && len(data) >= StreamHeader {
		if err := d.begin(data[:StreamHeader]); err != nil {
			return nil, err
		}
		return data[d.headerSize():], nil
	}
	want := headerSize
	if len(d.head) >= headerSize {
		want = StreamHeader
	}
	size := min(len(data), want-len(d.head))
	d.head = append(d.head, data[:size]...)
	data = data[size:]
	if d.head[0] != magic {
		return nil, badMagic(d.head[0])
	}
	whole := len(d.head) == StreamHeader
	if len(d.head) == headerSize {
		kind := Kind(binary.BigEndian.Uint16(d.head[4:]))
		_, known := payloadSizes[kind]
		whole = kind == JSON || !known
	}
	if whole {
		if err := d.begin(d.head); err != nil {
			return nil, err
		}
		d.head = d.head[:0]
	}
	return data, nil
}

func (d *Decoder) headerSize() int {
	if d.kind == JSON {
		return headerSize
	}
	return StreamHeader
}

func (d *Decoder) begin(head []byte) *Violation {
	if head[0] != magic {
		return badMagic(head[0])
	}
	kind := Kind(binary.BigEndian.Uint16(head[4:]))
	sizes, known := payloadSizes[kind]
	if kind == L3 {
		return &Violation{"frame", "an L3 packet of NoRouter on a native link"}
	}
	if !known {
		return violation("frame", "a frame of type %v on a native link", kind)
	}
	if reserved := binary.BigEndian.Uint16(head[6:]); reserved != 0 {
		return violation("frame", "reserved field of %v is 0x%x", kind, reserved)
	}
	d.kind, d.stream = kind, 0
	size := int(binary.BigEndian.Uint32(head)&0xffffff) - 4
	if kind != JSON {
		size -= 4
		d.stream = binary.BigEndian.Uint32(head[8:])
	}
	if size < sizes[0] || size > sizes[1] {
		return violation("length", "%v with %d bytes, not %d to %d", kind, size, sizes[0], sizes[1])
	}
	d.inside, d.left = true, size
	return nil
}

func badMagic(first byte) *Violation {
	return violation("frame", "a frame began with 0x%02x instead of 0x42", first)
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

func max(a, b int) int {
	if a > b {
		return a
	}
	return b
}
