// Package agent is what runs on a host: it answers one hub over one link, and ends with it.
// norouter_core/wire/SPEC.md is the reference, and comments name its sections.
package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"norouter/agent/internal/files"
	"norouter/agent/internal/identity"
	"norouter/agent/internal/wire"
)

const (
	attachTimeout = 8 * time.Second // how long an agent waits for the hub's attach
	resetInterval = time.Second     // how often sockets that are not read are asked for a reset
)

// Agent is one host's side of a mesh.
type Agent struct {
	link        *link
	buffers     *buffers
	resolver    *resolver
	descriptors *descriptors
	table       *directTable
	ends        endSet
	context     context.Context // ends with the link

	// Of the goroutine that reads the link.
	listeners map[int64]*listener
	blocks    map[block]bool
	ownFiles  *files.OwnFiles
	attached  chan struct{}

	signals chan os.Signal
	status  int // the exit status, of a signal
}

// block is a block that this agent has put into a file, for a host of the mesh.
type block struct {
	path, name string
}

// Run serves the hub on two descriptors until it is gone, and returns the exit status.
func Run(in, out *os.File) int {
	a := newAgent(in, out)
	signal.Notify(a.signals, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it for what it starts
		signal.Notify(a.signals, syscall.SIGHUP)
	}
	return a.run()
}

func newAgent(in, out *os.File) *Agent {
	a := &Agent{
		link:      newLink(in, out),
		buffers:   newBuffers(),
		resolver:  newResolver(),
		listeners: make(map[int64]*listener),
		blocks:    make(map[block]bool),
		ownFiles:  files.NewOwnFiles(),
		attached:  make(chan struct{}),
		signals:   make(chan os.Signal, 1),
		ends:      endSet{all: make(map[*tcpEnd]struct{})},
	}
	a.table = newDirectTable(a.reportDirect)
	a.descriptors = newDescriptors(descriptorLimit(), a.reportScarce)
	return a
}

func (a *Agent) run() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a.context = ctx
	a.link.message(wire.EncodeEvent("hello", identity.Hello()), wire.Own)
	go a.watch()
	a.link.run(a)
	return a.close()
}

// watch ends a link whose hub does not attach, and looks for resets of sockets that are not read.
func (a *Agent) watch() {
	attach := time.NewTimer(attachTimeout)
	defer attach.Stop()
	attached := a.attached
	ticker := time.NewTicker(resetInterval)
	defer ticker.Stop()
	for {
		select {
		case <-a.link.ended:
			a.link.in.Close() // its reader waits no longer
			return
		case number := <-a.signals:
			a.status = 128
			if known, ok := number.(syscall.Signal); ok {
				a.status += int(known)
			}
			a.link.end("the agent was terminated")
		case <-attached:
			attach.Stop()
			attached = nil
		case <-attach.C:
			a.link.end("the hub did not attach")
		case <-ticker.C:
			for _, e := range a.ends.list() {
				e.checkForReset()
			}
		}
	}
}

// close takes every stream, listener, block and file away.
func (a *Agent) close() int {
	a.table.close()
	for _, s := range a.dropStreams() {
		if owner, ok := s.Owner.(streamOwner); ok {
			owner.reset("gone", a.link.reason)
		}
	}
	for number := range a.listeners {
		a.unlisten(number)
	}
	for _, e := range a.ends.list() {
		e.close("gone", a.link.reason)
	}
	for each := range a.blocks {
		_, _, _ = files.Write(each.path, "", "remove-block", identity.BlockOwner(each.name))
	}
	a.ownFiles.Remove()
	if violation := a.link.violation; violation != nil {
		fmt.Fprintf(os.Stderr, "norouter agent: the hub broke the protocol: %v\n", violation)
		return 1
	}
	return a.status
}

func (a *Agent) dropStreams() []*wire.Stream {
	a.link.mu.Lock()
	defer a.link.mu.Unlock()
	streams := a.link.conn.Streams()
	for _, s := range streams {
		a.link.conn.Drop(s)
		wakeOwner(s)
	}
	return streams
}

func (a *Agent) reportDirect(rows [][]any) {
	a.link.message(wire.EncodeEvent("direct", map[string]any{"streams": rows}), wire.Own)
}

func (a *Agent) reportScarce(open, limit int) {
	a.link.message(wire.EncodeEvent("descriptors", map[string]int{"open": open, "limit": limit}), wire.Own)
}

// -- from the link

func (a *Agent) offered(s *wire.Stream, detail wire.Object) *wire.Violation {
	target, violation := detail.Address("target")
	if violation != nil {
		return violation
	}
	if s.IsDatagram() {
		e := newUDPEnd()
		e.peer = streamPeer{a.link, s}
		a.own(s, e)
		go a.udpDial(e, target, func(peer wire.Address) { a.accept(s, peer) })
		return nil
	}
	e := a.newTCPEnd(nil, s)
	a.own(s, e)
	go func() {
		if peer := a.dialFor(e, target); peer != nil {
			a.accept(s, *peer)
			e.connected()
			e.readLoop()
		}
	}()
	return nil
}

func (a *Agent) own(s *wire.Stream, owner streamOwner) {
	a.link.mu.Lock()
	s.Owner = owner
	a.link.mu.Unlock()
}

func (a *Agent) accept(s *wire.Stream, peer wire.Address) {
	a.link.mu.Lock()
	defer a.link.mu.Unlock()
	a.link.conn.Accept(s, peer)
	a.link.flushLocked()
}

func (a *Agent) message(kind string, body wire.Object) *wire.Violation {
	switch kind {
	case "event":
		if name, _ := body.Text("type"); name == "bye" {
			a.link.end("the hub ended the link")
		}
	case "request":
		return a.request(body)
	}
	return nil
}

// request answers a request of the hub (SPEC.md section 3).
func (a *Agent) request(body wire.Object) *wire.Violation {
	id, violation := wire.CheckID(body)
	if violation != nil {
		return violation
	}
	op, violation := body.Text("op")
	if violation != nil {
		return violation
	}
	args, violation := body.Object("args")
	if violation != nil {
		return violation
	}
	r := request{agent: a, id: id, args: args}
	run, known := operations[op]
	if !known {
		quoted := strconv.Quote(fmt.Sprintf("%.80s", op))
		reason := "this agent does not know '" + quoted[1:len(quoted)-1] + "'"
		r.fail(&wire.Failure{Code: "unknown-op", Reason: reason})
		return nil
	}
	return run(&r)
}

// request is one request that is being answered. Its methods return a violation for arguments that
// are not of the form that SPEC.md gives them.
type request struct {
	agent *Agent
	id    json.RawMessage
	args  wire.Object
}

var operations = map[string]func(*request) *wire.Violation{
	"attach":   (*request).attach,
	"listen":   (*request).listen,
	"unlisten": (*request).unlisten,
	"resolve":  (*request).resolve,
	"read":     (*request).read,
	"write":    (*request).write,
	"splice":   (*request).splice,
	"kill":     (*request).kill,
	"echo":     (*request).echo,
}

type none struct{}

func (r *request) answer(data any) {
	r.agent.link.message(wire.EncodeResult(r.id, data), wire.ByPeer)
}

func (r *request) fail(failure *wire.Failure) {
	r.agent.link.message(wire.EncodeFailure(r.id, failure), wire.ByPeer)
}

func (r *request) attach() *wire.Violation {
	interval, violation := r.args.Float("heartbeat")
	if violation != nil || interval < 0.01 || interval > 3600 {
		return &wire.Violation{Code: "json", Reason: "'heartbeat' is not a number of seconds"}
	}
	select {
	case <-r.agent.attached:
	default:
		close(r.agent.attached)
		r.agent.link.startHeartbeat(interval)
	}
	r.answer(none{})
	return nil
}

type bound struct {
	Host string `json:"host"`
	Port int    `json:"port"`
}

func (r *request) listen() *wire.Violation {
	number, violation := r.args.Int("listener")
	if violation != nil {
		return violation
	}
	wanted, violation := r.args.HostPort()
	if violation != nil {
		return violation
	}
	var direct *wire.Address
	if r.args.Has("direct") {
		target, violation := r.args.Address("direct")
		if violation != nil {
			return violation
		}
		direct = &target
	}
	datagrams, violation := r.args.IsDatagram()
	if violation != nil {
		return violation
	}
	l, failure := r.agent.listen(number, wanted, direct, datagrams)
	if failure != nil {
		r.fail(failure)
		return nil
	}
	r.answer(bound{l.address.Host, l.address.Port})
	return nil
}

func (r *request) unlisten() *wire.Violation {
	number, violation := r.args.Int("listener")
	if violation == nil {
		r.agent.unlisten(number)
		r.answer(none{})
	}
	return violation
}

func (r *request) resolve() *wire.Violation {
	name, violation := r.args.Text("name")
	if violation != nil {
		return violation
	}
	go func() {
		addresses, failure := r.agent.resolver.lookUp(r.agent.context, name)
		payload := wire.EncodeResult(r.id, map[string]any{"addresses": addresses})
		if failure != nil {
			payload = wire.EncodeFailure(r.id, failure)
		}
		r.agent.link.message(payload, wire.Own)
	}()
	return nil
}

func (r *request) splice() *wire.Violation {
	var numbers [3]int64
	for i, key := range []string{"listener", "client", "target"} {
		number, violation := r.args.Int(key)
		if violation != nil {
			return violation
		}
		numbers[i] = number
	}
	link := r.agent.link
	link.mu.Lock()
	client, target := link.conn.Stream(numbers[1]), link.conn.Stream(numbers[2])
	link.mu.Unlock()
	failure := r.agent.splice(numbers[0], client, target, func(direct int64) {
		// The answer first: what the streams say from then on has another meaning.
		r.answer(map[string]int64{"stream": direct})
	})
	if failure != nil {
		r.fail(failure)
	}
	return nil
}

func (r *request) kill() *wire.Violation {
	number, violation := r.args.Int("stream")
	if violation == nil {
		r.agent.table.kill(number, "killed", "killed")
		r.answer(none{})
	}
	return violation
}

func (r *request) echo() *wire.Violation {
	r.answer(none{})
	return nil
}

type readResult struct {
	Path wire.Text `json:"path"`
	Text wire.Text `json:"text"`
	More bool      `json:"more"`
}

func (r *request) read() *wire.Violation {
	path, violation := r.args.Text("path")
	if violation != nil {
		return violation
	}
	limit, violation := r.args.Int("limit")
	if violation != nil {
		return violation
	}
	expanded, text, more, err := files.Read(path, limit)
	switch {
	case err == nil:
		r.answer(readResult{wire.Text(expanded), wire.Text(text), more})
	case os.IsNotExist(err):
		r.fail(&wire.Failure{Code: "no-file", Reason: path + ": " + errorText(err)})
	default:
		r.fail(&wire.Failure{Code: "read", Reason: path + ": " + errorText(err)})
	}
	return nil
}

type writeResult struct {
	Path    wire.Text `json:"path"`
	Changed bool      `json:"changed"`
}

func (r *request) write() *wire.Violation {
	texts := map[string]string{"name": ""}
	for _, key := range []string{"path", "text", "mode", "name"} {
		if _, given := r.args[key]; key == "name" && !given {
			continue
		}
		text, violation := r.args.Text(key)
		if violation != nil {
			return violation
		}
		texts[key] = text
	}
	path, mode, name := texts["path"], texts["mode"], texts["name"]
	write := r.agent.ownFiles.Write
	if mode != "replace" {
		write = func(path, text string) (string, bool, error) {
			return files.Write(path, text, mode, identity.BlockOwner(name))
		}
	}
	expanded, changed, err := write(path, texts["text"])
	if err != nil {
		r.fail(&wire.Failure{Code: "write", Reason: writeReason(path, err)})
		return nil
	}
	if mode == "block" {
		r.agent.blocks[block{expanded, name}] = true
	} else {
		delete(r.agent.blocks, block{expanded, name})
	}
	r.answer(writeResult{wire.Text(expanded), changed})
	return nil
}

func writeReason(path string, err error) string {
	if failed, ok := err.(*os.PathError); ok {
		path = failed.Path
	} else if plain, ok := err.(files.Error); ok {
		return string(plain)
	}
	return path + ": " + errorText(err)
}

// endSet holds every TCP end, for the end of the link and for resets that no read would see.
type endSet struct {
	mu  sync.Mutex
	all map[*tcpEnd]struct{}
}

func (s *endSet) add(e *tcpEnd) {
	s.mu.Lock()
	s.all[e] = struct{}{}
	s.mu.Unlock()
}

func (s *endSet) remove(e *tcpEnd) {
	s.mu.Lock()
	delete(s.all, e)
	s.mu.Unlock()
}

func (s *endSet) list() []*tcpEnd {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*tcpEnd, 0, len(s.all))
	for e := range s.all {
		all = append(all, e)
	}
	return all
}
