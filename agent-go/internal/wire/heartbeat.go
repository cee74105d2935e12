package wire

// silentIntervals is how many intervals without a byte end a link (SPEC.md section 7). The agent sees
// the end of its hub at once, so it waits longer than the hub for one that stands still.
const silentIntervals = 6

// Heartbeat is the liveness of a link (SPEC.md section 7), without a clock of its own. All times
// are in seconds on one monotonic clock.
type Heartbeat struct {
	interval  float64
	lastHeard float64
	due       float64 // when Silent is to be called next
	forgiven  bool
	number    int
}

// NewHeartbeat returns a heartbeat whose peer was heard just now.
func NewHeartbeat(interval, now float64) *Heartbeat {
	return &Heartbeat{interval: interval, lastHeard: now, due: now}
}

// Heard notes that something has come.
func (h *Heartbeat) Heard(now float64) {
	h.lastHeard, h.forgiven = now, false
}

// Silent reports whether the peer has been silent for too long; call it when NextDue says so.
//
// If the call is late, this process stood still (a suspended machine, SIGSTOP, swapping) and may not
// have read what the peer sent meanwhile. That restarts the silence, once.
func (h *Heartbeat) Silent(now float64) bool {
	if now-h.due > h.interval && !h.forgiven {
		h.lastHeard, h.forgiven = now, true
	}
	return now-h.lastHeard > silentIntervals*h.interval
}

// NextDue returns how long it is until the next ping is due or the silence has lasted too long.
func (h *Heartbeat) NextDue(now float64) float64 {
	// A little more, so that the silence is over the limit and not just at it.
	left := h.lastHeard + silentIntervals*h.interval - now + 0.01
	if left > h.interval {
		left = h.interval
	}
	if left < 0.001 {
		left = 0.001
	}
	h.due = now + left
	return left
}

// Ping returns the number of the ping to be sent now.
func (h *Heartbeat) Ping() int {
	h.number++
	return h.number
}
