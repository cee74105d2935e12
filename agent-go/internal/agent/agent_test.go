package agent

import (
	"context"
	"encoding/json"
	"net"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"norouter/agent/internal/wire"
)

const opened = `{"peer":["127.0.0.1",1],"window":262144}`

func TestWhatCameBeforeAResetGoesOnWhenThereIsRoom(t *testing.T) {
	const size = 50_000
	h := newHub(t)
	client := connect(t, "tcp", h.listens("tcp"))
	if _, err := client.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	stream := h.take(wire.Open).Stream
	got := len(h.take(wire.Data).Payload)
	for got < wire.EarlyWindow {
		got += len(h.take(wire.Data).Payload)
	}
	_ = client.(*net.TCPConn).SetLinger(0)
	_ = client.Close()
	e := onlyEnd(h)
	eventually(t, "the reset is found", func() bool {
		e.checkForReset()
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.sendErr != nil
	})
	h.send(wire.Opened, stream, opened)
	for got < size {
		got += len(h.take(wire.Data).Payload)
	}
	if reset := h.take(wire.Reset); reset.Stream != stream || !strings.Contains(string(reset.Payload), `"reset"`) {
		t.Errorf("%+v", reset)
	}
}

func TestAResetEndsAStreamThatStaysStalled(t *testing.T) {
	h := newHub(t)
	client := connect(t, "tcp", h.listens("tcp"))
	if _, err := client.Write(make([]byte, 50_000)); err != nil {
		t.Fatal(err)
	}
	h.take(wire.Open)
	e := onlyEnd(h)
	eventually(t, "it is stalled", func() bool { return e.bytesIn.Load() == wire.EarlyWindow && e.stalled.Load() })
	_ = client.(*net.TCPConn).SetLinger(0)
	_ = client.Close()
	eventually(t, "the end", func() bool {
		e.checkForReset()
		return e.isClosed()
	})
	h.take(wire.Reset)
}

func onlyEnd(h *hub) *tcpEnd {
	h.Helper()
	ends := h.agent.ends.list()
	if len(ends) != 1 {
		h.Fatalf("%d ends", len(ends))
	}
	return ends[0]
}

func TestAListenerPausesUntilDescriptorsAreFree(t *testing.T) {
	const clients, room = 40, 60
	reports := make(chan [2]int, clients)
	h := newHub(t, func(a *Agent) {
		// Each client takes two in this process, its own and the agent's.
		used := secondFree(unlimited)
		a.descriptors.limits = limits{used + 2*room, used + 2*room, used + room}
		a.descriptors.report = func(open, limit int) { reports <- [2]int{open, limit} }
	})
	address := h.listens("tcp")
	var conns []net.Conn
	for i := 0; i < clients; i++ {
		conns = append(conns, connect(t, "tcp", address))
	}
	figures := <-reports
	if limits := h.agent.descriptors.limits; figures[0] < limits.forClients || figures[1] != limits.any {
		t.Error(figures)
	}
	for i := 0; i < clients; i++ {
		if i == clients/3 {
			// The rest waits for descriptors of others.
			for _, conn := range conns[:clients/2] {
				_ = conn.Close()
			}
		}
		h.take(wire.Open)
	}
	connect(t, "tcp", address)
	h.take(wire.Open)
	if len(reports) != 0 {
		t.Error("it was reported again")
	}
}

func TestAClosedListenerNoLongerWaitsForDescriptors(t *testing.T) {
	const room = 40
	reports := make(chan bool, 1)
	h := newHub(t, func(a *Agent) {
		used := secondFree(unlimited)
		a.descriptors.limits = limits{used + 4*room, used + 4*room, used + room}
		a.descriptors.report = func(int, int) { reports <- true }
	})
	address := h.listens("tcp")
	for i := 0; i < room; i++ {
		connect(t, "tcp", address)
	}
	<-reports
	h.request(`{"id":3,"op":"unlisten","args":{"listener":7}}`)
	eventually(t, "nothing accepts any more", func() bool {
		stacks := make([]byte, 1<<20)
		return !strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "acceptAll(")
	})
	if h.agent.descriptors.hasRoom() {
		t.Error("descriptors are free again, so this test shows nothing")
	}
}

func TestLimitsOfDescriptors(t *testing.T) {
	for limit, want := range map[int]limits{
		64:      {64, 48, 40},
		256:     {256, 192, 160},
		1024:    {1024, 960, 928},
		1 << 20: {1 << 20, 1<<20 - 64, 1<<20 - 96},
	} {
		if got := limitsOf(limit); got != want {
			t.Errorf("%d: %+v", limit, got)
		}
	}
}

func TestTheOldestUDPClientGivesWay(t *testing.T) {
	h := newHub(t)
	address := h.listens("udp")
	var first uint32
	for i := 0; i < maxClients; i++ {
		say(t, address)
		if offer := h.take(wire.Open); i == 0 {
			first = offer.Stream
		}
	}
	say(t, address)
	if reset := h.take(wire.Reset); reset.Stream != first || !strings.Contains(string(reset.Payload), `"idle"`) {
		t.Errorf("%+v", reset)
	}
	h.take(wire.Open)
}

// say sends a datagram from a new address.
func say(t *testing.T, address string) {
	t.Helper()
	if _, err := connect(t, "udp", address).Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
}

func TestReportsOfDirectStreamsAreBounded(t *testing.T) {
	const streams = 2*maxRows + 500
	var sizes []int
	table := newDirectTable(func(rows [][]any) { sizes = append(sizes, len(rows)) })
	for i := 0; i < streams; i++ {
		table.add(7, wire.Address{Host: "127.0.0.1", Port: i})
	}
	table.close() // no report by the timer
	table.closed = false
	table.send()
	table.close()
	if want := []int{maxRows, maxRows, 500}; !reflect.DeepEqual(sizes, want) {
		t.Error(sizes)
	}
}

func TestBuffersAreBounded(t *testing.T) {
	pool := newBuffers()
	var taken [][]byte
	for i := 0; i < maxBuffers; i++ {
		taken = append(taken, pool.get())
	}
	if pool.tryGet() != nil {
		t.Fatal("there is one more")
	}
	got := make(chan []byte)
	go func() { got <- pool.get() }()
	pool.put(taken[3])
	if buffer := <-got; &buffer[0] != &taken[3][0] {
		t.Error("it is not the one that was given back")
	}
	if size := len(payload(taken[0])); size != wire.MaxData {
		t.Error(size)
	}
}

func TestAddressesOfBothFamiliesInTurn(t *testing.T) {
	got := interleave([]string{"::1", "::2", "::3", "127.0.0.1", "127.0.0.2"})
	if want := []string{"::1", "127.0.0.1", "::2", "127.0.0.2", "::3"}; !reflect.DeepEqual(got, want) {
		t.Error(got)
	}
}

func TestADialTriesTheNextAddressAtOnceWhenOneFails(t *testing.T) {
	a := newHub(t).agent
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	port := target.Addr().(*net.TCPAddr).Port
	began := time.Now()
	// The loopback address of IPv6 is free, or not there at all.
	conn, err := a.connectAny(context.Background(), []string{"::1", "127.0.0.1"}, port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if took := time.Since(began); took > 10*stagger {
		t.Error(took)
	}
	if _, err := a.connectAny(context.Background(), []string{"127.0.0.1", "::1"}, 1); err == nil {
		t.Error("a dial without a target has succeeded")
	}
}

func TestTheHelloComesFirstAndItsKeysInOrder(t *testing.T) {
	in, out := pipe(t)
	hearing, saying := pipe(t)
	a := newAgent(in, saying)
	done := make(chan int, 1)
	go func() { done <- a.run() }()
	buffer := make([]byte, 4096)
	size, err := hearing.Read(buffer)
	if err != nil || !strings.HasPrefix(string(buffer[8:size]), `{"type":"event","body":{"type":"hello"`) {
		t.Errorf("%q, %v", buffer[:size], err)
	}
	if !json.Valid(buffer[8:size]) {
		t.Error("it is no JSON")
	}
	_ = out.Close()
	if status := <-done; status != 0 {
		t.Error(status)
	}
}
