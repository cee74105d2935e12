package agent

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"norouter/agent/internal/wire"
)

const waitLimit = 15 * time.Second // only a failing test waits so long

// hub is the other side of an agent's link, which says and hears single frames.
type hub struct {
	*testing.T
	agent   *Agent
	out     *os.File
	frames  chan wire.Frame
	stopped chan int
}

// newHub starts an agent that is attached. change may change it before that.
func newHub(t *testing.T, change ...func(*Agent)) *hub {
	t.Helper()
	in, out := pipe(t)
	hearing, saying := pipe(t)
	h := &hub{
		T: t, agent: newAgent(in, saying), out: out,
		frames: make(chan wire.Frame, 4096), stopped: make(chan int, 1),
	}
	for _, each := range change {
		each(h.agent)
	}
	go func() { h.stopped <- h.agent.run() }()
	go h.hear(hearing)
	h.take(wire.JSON) // hello
	h.request(`{"id":1,"op":"attach","args":{"name":"hub","protocol":1,"heartbeat":3600}}`)
	t.Cleanup(func() {
		_ = out.Close()
		<-h.stopped
	})
	return h
}

func pipe(t *testing.T) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return read, write
}

func (h *hub) hear(from *os.File) {
	defer close(h.frames)
	var decoder wire.Decoder
	buffer := make([]byte, wire.MaxData)
	for {
		size, err := from.Read(buffer)
		if err != nil {
			return
		}
		for data := buffer[:size]; ; {
			frame, rest, ok, violation := decoder.Next(data)
			if violation != nil {
				h.Error(violation)
				return
			}
			if !ok {
				break
			}
			data = rest
			frame.Payload = append([]byte(nil), frame.Payload...)
			h.frames <- frame
		}
	}
}

func (h *hub) send(kind wire.Kind, stream uint32, payload string) {
	h.Helper()
	if _, err := h.out.Write(wire.AppendFrame(nil, kind, stream, []byte(payload))); err != nil {
		h.Fatal(err)
	}
}

// request sends the body of a request, and waits for its result.
func (h *hub) request(body string) {
	h.Helper()
	message := fmt.Sprintf(`{"type":"request","body":%s}`, body)
	if _, err := h.out.Write(wire.AppendMessage(nil, []byte(message))); err != nil {
		h.Fatal(err)
	}
	for {
		var heard struct {
			Type string
			Body struct{ Error *wire.Failure }
		}
		if err := json.Unmarshal(h.take(wire.JSON).Payload, &heard); err != nil {
			h.Fatal(err)
		}
		if heard.Type == "result" {
			if heard.Body.Error != nil {
				h.Fatal(*heard.Body.Error)
			}
			return
		}
	}
}

// take returns the next frame of a kind; those of another kind are skipped.
func (h *hub) take(kind wire.Kind) wire.Frame {
	h.Helper()
	for {
		select {
		case frame, ok := <-h.frames:
			if !ok {
				h.Fatalf("the agent has ended, and sent no %v", kind)
			}
			if frame.Kind == kind {
				return frame
			}
		case <-time.After(waitLimit):
			h.Fatalf("the agent sends no %v", kind)
		}
	}
}

// listens has the agent listen as listener 7, and returns where.
func (h *hub) listens(proto string) string {
	h.Helper()
	address := freeAddress(h.T)
	h.request(fmt.Sprintf(
		`{"id":2,"op":"listen","args":{"listener":7,"host":"127.0.0.1","port":%d,"direct":null,"proto":%q}}`,
		address.Port, proto,
	))
	return address.String()
}

func freeAddress(t *testing.T) *net.TCPAddr {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	return free.Addr().(*net.TCPAddr)
}

func connect(t *testing.T, network, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(waitLimit); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in time: " + what)
		}
	}
}
