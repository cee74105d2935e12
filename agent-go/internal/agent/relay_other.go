//go:build !linux

package agent

// relayInKernel moves bytes from the socket to its twin without copying them, where the system can.
func (e *tcpEnd) relayInKernel() error {
	return nil
}
