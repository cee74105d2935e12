package agent

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func TestAContextThatEndsAfterTheConnectLeavesTheSocketAlone(t *testing.T) {
	h := newHub(t)
	address := h.listens("tcp")
	var files []*os.File
	for i := 0; i < 50; i++ {
		file, to := connected(h, address)
		ctx, cancel := context.WithCancel(context.Background())
		err := waitConnected(ctx, file, to)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	eventually(t, "the end of all that waited", func() bool {
		stacks := make([]byte, 1<<20)
		return !strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "waitConnected.func")
	})
	for _, file := range files {
		if _, err := file.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAConnectReturnsTheErrorOfItsContext(t *testing.T) {
	h := newHub(t)
	file, to := connected(h, h.listens("tcp"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := waitConnected(ctx, file, to); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// connected returns the file of a socket that is connected to an address, and that address.
func connected(h *hub, address string) (*os.File, syscall.Sockaddr) {
	h.Helper()
	pair := netip.MustParseAddrPort(address)
	conn, err := h.agent.connect(context.Background(), pair.Addr().String(), int(pair.Port()))
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = conn.Close() })
	to, _ := sockaddr(pair.Addr(), int(pair.Port()))
	return conn.socketFile.(*os.File), to
}
