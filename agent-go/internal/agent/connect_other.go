//go:build !linux

package agent

import "context"

func (a *Agent) connect(ctx context.Context, address string, port int) (*connection, error) {
	return a.connectByNet(ctx, address, port)
}
