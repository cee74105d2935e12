package agent

import "testing"

func TestToAskForTheLoopbackInterfaceCostsTheSameForAnyNumberOfInterfaces(t *testing.T) {
	if loopbackIsDown() {
		t.Fatal("it is up")
	}
	// A list of the interfaces would be allocated.
	if count := testing.AllocsPerRun(100, func() { loopbackIsDown() }); count > 1 {
		t.Errorf("%v allocations", count)
	}
}
