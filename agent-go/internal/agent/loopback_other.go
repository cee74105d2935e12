//go:build !linux

package agent

// loopbackIsDown: only Linux binds addresses of an interface that is down.
func loopbackIsDown() bool {
	return false
}
