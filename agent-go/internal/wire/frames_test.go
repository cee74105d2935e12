package wire

import (
	"bytes"
	"fmt"
	"math/rand"
	"testing"
)

// sample is one frame of each type.
func sample() []byte {
	buf := AppendMessage(nil, []byte(`{"type":"event","body":{"type":"ping","data":{"n":1}}}`))
	buf = AppendFrame(buf, Open, 1, []byte(`{"target":["a",1],"window":16384}`))
	buf = AppendFrame(buf, Opened, 2, []byte(`{"peer":["a",1],"window":16384}`))
	buf = AppendFrame(buf, Data, 2, []byte("some bytes"))
	buf = AppendFrame(buf, Credit, 2, []byte{0, 0, 1, 0})
	buf = AppendFrame(buf, Datagram, 4, nil)
	buf = AppendFrame(buf, Datagram, 4, []byte("one"))
	buf = AppendFrame(buf, EOF, 2, nil)
	return AppendFrame(buf, Reset, 4, []byte(`{"code":"idle","reason":""}`))
}

// decode feeds pieces to a decoder and returns the frames as text, with DATA put together.
func decode(pieces ...[]byte) (string, *Violation) {
	var d Decoder
	var out bytes.Buffer
	inData := false
	for _, piece := range pieces {
		data := append([]byte(nil), piece...)
		for {
			frame, rest, ok, err := d.Next(data)
			if err != nil {
				return out.String(), err
			}
			if !ok {
				break
			}
			if !inData {
				fmt.Fprintf(&out, "\n%v %d ", frame.Kind, frame.Stream)
			}
			out.Write(frame.Payload)
			inData = !d.Idle()
			data = rest
		}
	}
	return out.String(), nil
}

func TestEverySplitGivesTheSameFrames(t *testing.T) {
	data := sample()
	whole, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		for j := i; j <= len(data); j += 3 {
			split, err := decode(data[:i], data[i:j], data[j:])
			if err != nil || split != whole {
				t.Fatalf("split at %d and %d: %v\n%s", i, j, err, split)
			}
		}
	}
}

func TestOneByteAtATime(t *testing.T) {
	data := sample()
	var pieces [][]byte
	for i := range data {
		pieces = append(pieces, data[i:i+1])
	}
	whole, _ := decode(data)
	if single, err := decode(pieces...); err != nil || single != whole {
		t.Fatalf("%v\n%s", err, single)
	}
}

func TestWhatIsNoFrame(t *testing.T) {
	bad := func(change func(frame []byte)) []byte {
		frame := AppendFrame(nil, EOF, 1, nil)
		change(frame)
		return frame
	}
	for name, c := range map[string]struct {
		data []byte
		code string
	}{
		"text":              {[]byte("hello"), "frame"},
		"magic":             {bad(func(f []byte) { f[0] = 0x41 }), "frame"},
		"L3":                {bad(func(f []byte) { f[5] = 1; f[4] = 0 }), "frame"},
		"type":              {bad(func(f []byte) { f[4] = 9 }), "frame"},
		"reserved":          {bad(func(f []byte) { f[7] = 1 }), "frame"},
		"EOF with payload":  {AppendFrame(nil, EOF, 1, []byte("x")), "length"},
		"DATA without":      {AppendFrame(nil, Data, 1, nil), "length"},
		"DATA too long":     {AppendFrame(nil, Data, 1, make([]byte, MaxData+1)), "length"},
		"CREDIT of 3 bytes": {AppendFrame(nil, Credit, 1, make([]byte, 3)), "length"},
		"JSON too long":     {AppendMessage(nil, make([]byte, MaxJSON+1)), "length"},
		"datagram too long": {AppendFrame(nil, Datagram, 1, make([]byte, MaxDatagramSize+1)), "length"},
	} {
		for at := 0; at < StreamHeader && at < len(c.data); at++ {
			if _, err := decode(c.data[:at], c.data[at:]); err == nil || err.Code != c.code {
				t.Errorf("%s, split at %d: %v", name, at, err)
			}
		}
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add(sample(), int64(1))
	f.Add([]byte("hello"), int64(2))
	f.Fuzz(func(t *testing.T, data []byte, seed int64) {
		whole, wholeErr := decode(data)
		random := rand.New(rand.NewSource(seed))
		var pieces [][]byte
		for rest := data; len(rest) > 0; {
			size := 1 + random.Intn(len(rest))
			pieces = append(pieces, rest[:size])
			rest = rest[size:]
		}
		split, splitErr := decode(pieces...)
		if split != whole || (wholeErr == nil) != (splitErr == nil) {
			t.Fatalf("%q %v\n%q %v", whole, wholeErr, split, splitErr)
		}
	})
}
