package wire

// silentIntervals is how many intervals without a byte end a link (SPEC.md section 7).
const silentIntervals = 3

// Heartbeat is the liveness of a link (SPEC.md section 7), without a clock of its own. All times
// are in seconds on one monotonic clock.
type Heartbeat struct {
	interval  float64
	lastHeard float64
	number    int
}

// NewHeartbeat returns a heartbeat whose peer was heard just now.
func NewHeartbeat(interval, now float64) *Heartbeat {
	return &Heartbeat{interval: interval, lastHeard: now}
}

// Heard notes that something has come.
func (h *Heartbeat) Heard(now float64) {
	h.lastHeard = now
}

// Silence returns how long nothing has come, and whether that is too long.
func (h *Heartbeat) Silence(now float64) (float64, bool) {
	silence := now - h.lastHeard
	return silence, silence > silentIntervals*h.interval
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
	return left
}

// Ping returns the number of the ping to be sent now.
func (h *Heartbeat) Ping() int {
	h.number++
	return h.number
}
