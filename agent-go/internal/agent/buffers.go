package agent

import (
	"sync"

	"norouter/agent/internal/wire"
)

const (
	bufferSize = wire.StreamHeader + wire.MaxData
	maxBuffers = 12
)

// buffers is a pool of read buffers. However many sockets there are, so many of them have bytes on
// their way to the link, and the rest wait in line: what they would read stays in the kernel. Each
// buffer has room for the header of a frame in front of the data.
type buffers struct {
	free chan []byte
	made chan struct{}
}

func newBuffers() *buffers {
	return &buffers{make(chan []byte, maxBuffers), make(chan struct{}, maxBuffers)}
}

// get returns a buffer, and waits for it in line.
func (b *buffers) get() []byte {
	if buffer := b.tryGet(); buffer != nil {
		return buffer
	}
	return <-b.free
}

// tryGet returns a buffer, or nil if all are in use.
func (b *buffers) tryGet() []byte {
	select {
	case buffer := <-b.free:
		return buffer
	default:
	}
	select {
	case b.made <- struct{}{}:
		return make([]byte, bufferSize)
	default:
		return nil
	}
}

// put gives a buffer back.
func (b *buffers) put(buffer []byte) {
	b.free <- buffer
}

// payload returns the part of a buffer behind the header.
func payload(buffer []byte) []byte {
	return buffer[wire.StreamHeader:]
}

// bufferPool is where a read gets its buffer from.
type bufferPool interface {
	tryGet() []byte
	put(buffer []byte)
}

// slicePool is a pool without a bound, for what is passed on at once.
type slicePool struct {
	pool sync.Pool
	size int
}

func (p *slicePool) tryGet() []byte {
	if buffer, ok := p.pool.Get().(*[]byte); ok {
		return *buffer
	}
	return make([]byte, p.size)
}

func (p *slicePool) put(buffer []byte) {
	p.pool.Put(&buffer)
}

var relayBuffers = slicePool{size: relaySize}
