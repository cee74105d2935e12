package agent

import (
	"context"
	"errors"
	"net"

	"norouter/agent/internal/wire"
)

const (
	maxLookUps = 8   // at a time
	maxWaiting = 256 // for one of those; more are refused
)

// resolver bounds the look-ups of names. They go to the name servers and files that the system's
// own resolver uses.
type resolver struct {
	running chan struct{}
	all     chan struct{}
}

func newResolver() *resolver {
	return &resolver{make(chan struct{}, maxLookUps), make(chan struct{}, maxLookUps+maxWaiting)}
}

// lookUp returns the addresses of a name, in the system's order of preference. The failure has a
// code of the request "resolve" (SPEC.md section 3).
func (r *resolver) lookUp(ctx context.Context, name string) ([]string, *wire.Failure) {
	select {
	case r.all <- struct{}{}:
		defer func() { <-r.all }()
	default:
		return nil, &wire.Failure{Code: "too-many", Reason: "too many names are being resolved"}
	}
	select {
	case r.running <- struct{}{}:
		defer func() { <-r.running }()
	case <-ctx.Done():
		return nil, &wire.Failure{Code: "try-again", Reason: "no name server has answered"}
	}
	found, err := net.DefaultResolver.LookupIPAddr(ctx, name)
	if err != nil {
		return nil, lookUpFailure(err)
	}
	var addresses []string
	seen := make(map[string]bool)
	for _, each := range found {
		if address := each.String(); !seen[address] {
			seen[address] = true
			addresses = append(addresses, address)
		}
	}
	return addresses, nil
}

func lookUpFailure(err error) *wire.Failure {
	var failed *net.DNSError
	if errors.As(err, &failed) {
		if failed.IsNotFound {
			return &wire.Failure{Code: "name", Reason: "Name or service not known"}
		}
		if failed.IsTimeout || failed.IsTemporary {
			return &wire.Failure{Code: "try-again", Reason: "no name server has answered"}
		}
		return &wire.Failure{Code: "name", Reason: failed.Err}
	}
	return &wire.Failure{Code: "name", Reason: errorText(err)}
}
