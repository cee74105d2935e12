package wire

// leastRoundTrip, in seconds: a round trip measured below it says more about scheduling than about
// the path. It also lets windows on a fast local link grow enough to keep both processes busy.
const leastRoundTrip = 0.002

// budget is what all windows of one link's receiving side may hold together (SPEC.md section 5).
type budget struct {
	total, spent, streams int
}

// firstWindow returns the window of a new stream: 1/120 of what is left, within its bounds.
func (b *budget) firstWindow() int {
	left := max(0, b.total-b.spent)
	return max(EarlyWindow, min(startWindow, left/120))
}

// share returns what one stream may keep when the budget is nearly spent.
func (b *budget) share() int {
	return max(EarlyWindow, b.total/max(1, b.streams))
}

func (b *budget) tight() bool {
	return b.spent > b.total/8*7
}

// exhausted reports whether three times the budget is spent: no stream is taken then.
func (b *budget) exhausted() bool {
	return b.spent > 3*b.total-EarlyWindow
}

// receiveWindow is how much the peer may send on one stream, and when it may send more.
//
// Of size bytes, the peer may still send available, and unacknowledged have gone on and will be
// credited; the rest is held somewhere on its way.
type receiveWindow struct {
	budget         *budget
	size           int
	available      int
	unacknowledged int
	epoch          float64 // when epochBytes began to be counted; negative before the first
	epochBytes     int
}

func newReceiveWindow(b *budget, size int) receiveWindow {
	b.spent += size
	b.streams++
	return receiveWindow{budget: b, size: size, available: size, epoch: -1}
}

func (w *receiveWindow) onData(size int) *Violation {
	if size > w.available {
		return violation("window", "%d bytes of data where %d were allowed", size, w.available)
	}
	w.available -= size
	return nil
}

// accept grants what a stream gets when it is accepted, and returns the window that OPENED states:
// the early window, which the peer has had, and what is added to it now.
func (w *receiveWindow) accept() int {
	return EarlyWindow + w.grant(max(w.budget.firstWindow(), w.size))
}

// consumed notes that size bytes have gone on, and returns the credit to send now, often 0. now and
// roundTrip are in seconds.
//
// Credit is sent half a window at a time: more often costs frames, more rarely lets the sender run
// dry.
func (w *receiveWindow) consumed(size int, now, roundTrip float64) int {
	w.unacknowledged += size
	w.epochBytes += size
	if w.unacknowledged*2 < w.size {
		return 0
	}
	if roundTrip < leastRoundTrip {
		roundTrip = leastRoundTrip
	}
	return w.grant(w.adaptedSize(now, roundTrip))
}

func (w *receiveWindow) close() {
	w.budget.spent -= w.size
	w.budget.streams--
	w.size, w.available, w.unacknowledged = 0, 0, 0
}

func (w *receiveWindow) grant(target int) int {
	held := w.size - w.available - w.unacknowledged
	credit := max(0, target-w.available-held)
	w.available += credit
	w.unacknowledged = 0
	w.budget.spent += w.available + held - w.size
	w.size = w.available + held
	return credit
}

// adaptedSize returns the size that this window should have: twice the measured bandwidth times
// the round trip.
func (w *receiveWindow) adaptedSize(now, roundTrip float64) int {
	size := w.size
	if w.epoch < 0 {
		w.epoch, w.epochBytes = now, 0
	} else if w.epochBytes >= size {
		elapsed := now - w.epoch
		if elapsed < 1e-6 {
			elapsed = 1e-6
		}
		wanted := 2 * float64(w.epochBytes) / elapsed * roundTrip
		w.epoch, w.epochBytes = now, 0
		limit := min(maxWindow, size+max(0, w.budget.total-w.budget.spent))
		if wanted < float64(limit) {
			limit = int(wanted)
		}
		size = max(size, limit)
	}
	if w.budget.tight() {
		size = min(size, w.budget.share())
	}
	return size
}

// addCredit returns the sending window after a CREDIT.
func addCredit(available, credit int) (int, *Violation) {
	if credit <= 0 || credit > maxCredit-available {
		return 0, violation("window", "credit of %d bytes on top of %d", credit, available)
	}
	return available + credit, nil
}

func checkWindow(window int64) *Violation {
	if window < EarlyWindow || window > maxWindow {
		return violation("window", "a window of %d bytes", window)
	}
	return nil
}
