package wire

// State is the state of a stream at one end (SPEC.md section 4).
type State uint8

// The states of a stream. The zero value is none of them: it marks what a state forbids.
const (
	forbidden        State = iota
	Opening                // we sent OPEN and wait for the answer
	OpeningSentEOF         // likewise, and we have sent EOF
	Offered                // they sent OPEN and wait for our answer
	OfferedGotEOF          // likewise, and they have sent EOF
	IsOpen                 // both directions are open
	HalfClosedLocal        // we sent EOF
	HalfClosedRemote       // they sent EOF
	Closed
	numStates
)

var stateNames = [numStates]string{
	"", "opening", "opening, sent EOF", "offered", "offered, got EOF", "open",
	"half-closed-local", "half-closed-remote", "closed",
}

func (s State) String() string {
	return stateNames[s]
}

type direction uint8

const (
	sent direction = iota
	got
)

type transition struct {
	from State
	way  direction
	kind Kind
	to   State
}

// transitions is the table of SPEC.md section 4. Whatever is not in it is forbidden: to us by
// sent, to the peer by got. init adds CREDIT, RESET and DATAGRAM.
var transitions = []transition{
	{Opening, sent, Data, Opening},
	{Opening, sent, EOF, OpeningSentEOF},
	{Opening, got, Opened, IsOpen},
	{OpeningSentEOF, got, Opened, HalfClosedLocal},
	{Offered, sent, Opened, IsOpen},
	{Offered, got, Data, Offered},
	{Offered, got, EOF, OfferedGotEOF},
	{OfferedGotEOF, sent, Opened, HalfClosedRemote},
	{IsOpen, sent, Data, IsOpen},
	{IsOpen, got, Data, IsOpen},
	{IsOpen, sent, EOF, HalfClosedLocal},
	{IsOpen, got, EOF, HalfClosedRemote},
	{HalfClosedLocal, got, Data, HalfClosedLocal},
	{HalfClosedLocal, got, EOF, Closed},
	{HalfClosedRemote, sent, Data, HalfClosedRemote},
	{HalfClosedRemote, sent, EOF, Closed},
}

var nextStates [numStates][2][numKinds]State

func init() {
	for _, t := range transitions {
		nextStates[t.from][t.way][t.kind] = t.to
		if t.kind == Data {
			// DATAGRAM is to a stream of datagrams what DATA is to one of bytes.
			nextStates[t.from][t.way][Datagram] = t.to
		}
	}
	// In every state but the last, CREDIT changes nothing and RESET ends the stream.
	for state := Opening; state < Closed; state++ {
		for _, way := range []direction{sent, got} {
			nextStates[state][way][Credit] = state
			nextStates[state][way][Reset] = Closed
		}
	}
}

// maySend reports whether a frame may be sent in a state.
func maySend(state State, kind Kind) bool {
	return nextStates[state][sent][kind] != forbidden
}

// afterReceiving returns the state that follows when the peer sends a frame.
func afterReceiving(state State, kind Kind) (State, *Violation) {
	next := nextStates[state][got][kind]
	if next == forbidden {
		return state, violation("stream", "got %v on a stream that is %v", kind, state)
	}
	return next, nil
}
