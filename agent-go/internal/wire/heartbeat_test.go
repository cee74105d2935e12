package wire

import "testing"

const interval = 2.0

// check calls Silent when it is due, or later, and returns what it says and when it is due next.
func check(h *Heartbeat, now, late float64) (silent bool, due float64) {
	now += late
	silent = h.Silent(now)
	return silent, now + h.NextDue(now)
}

func silenceEnds(t *testing.T, h *Heartbeat, due float64) float64 {
	t.Helper()
	for calls := 0; calls < 20; calls++ {
		now := due
		var silent bool
		if silent, due = check(h, now, 0); silent {
			return now
		}
	}
	t.Fatal("the silence never ends the link")
	return 0
}

func TestSilenceEndsALink(t *testing.T) {
	ended := silenceEnds(t, NewHeartbeat(interval, 100), 100)
	if ended < 100+silentIntervals*interval || ended > 100.1+silentIntervals*interval {
		t.Errorf("the link ended %v s after the start", ended-100)
	}
}

func TestAProcessThatStoodStillForgivesOnce(t *testing.T) {
	h := NewHeartbeat(interval, 100)
	silent, due := check(h, 100, 3600)
	if silent {
		t.Fatal("the peer was judged by the time in which this process stood still")
	}
	resumed := 100.0 + 3600
	if ended := silenceEnds(t, h, due); ended < resumed+silentIntervals*interval {
		t.Errorf("the link ended %v s after the process went on", ended-resumed)
	}
	h = NewHeartbeat(interval, 100)
	_, due = check(h, 100, 100)
	if silent, _ := check(h, due, 100); !silent {
		t.Error("the peer was forgiven twice")
	}
	h = NewHeartbeat(interval, 100)
	_, due = check(h, 100, 100)
	h.Heard(due)
	if silent, _ := check(h, due, 100); silent {
		t.Error("a peer that was heard was not forgiven")
	}
}
