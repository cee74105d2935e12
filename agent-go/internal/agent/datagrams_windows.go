package agent

import "net"

// readDatagrams reads what comes to a connected socket until the end is closed.
func readDatagrams(conn *net.UDPConn, e *udpEnd) {
	buffer := make([]byte, datagramSize)
	for !e.isClosed() {
		size, err := conn.Read(buffer)
		if isErrno(err, unreachable...) {
			e.fail(resetCode(err), errorText(err))
		} else if err == nil {
			e.bring(buffer[:size])
		}
	}
}

// writeDatagram sends a datagram over a connected socket. On Windows, Write sends no empty one.
func writeDatagram(conn *net.UDPConn, data []byte) error {
	_, _, err := conn.WriteMsgUDP(data, nil, nil)
	return err
}
