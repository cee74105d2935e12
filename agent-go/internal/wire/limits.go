// Package wire is the link protocol without I/O: bytes in, events out; calls in, bytes to send
// out. norouter_core/wire/SPEC.md is the reference, and comments name its sections.
package wire

// The protocol's numbers (SPEC.md sections 1, 3 to 6, 9 and 10), in bytes unless another unit is
// named.
const (
	magic        = 0x42
	headerSize   = 8
	StreamHeader = 12

	MaxData         = 256 << 10
	MaxJSON         = 1 << 20
	MaxStreamJSON   = 16 << 10 // the JSON object in OPEN, OPENED and RESET
	MaxDatagramSize = 65507
	maxDepth        = 32  // levels of nesting in a JSON message
	MaxHost         = 255 // characters of a host's name or address
	MaxStreams      = 16384

	MaxControlBacklog = 4 << 20

	EarlyWindow = 16 << 10
	startWindow = 256 << 10
	maxWindow   = 16 << 20
	LinkBudget  = 64 << 20
	maxCredit   = 1<<31 - 1

	maxQueuedDatagrams     = 64
	maxQueuedDatagramBytes = 256 << 10
	maxLinkDatagramBytes   = 4 << 20

	quantum    = 64 << 10  // what one stream may send in its turn while others wait
	batchBytes = 256 << 10 // what is framed before the next write
)
