// Command norouter is the native agent of norouter-tui: what runs on a host, started by
// `norouter agent --automated` on the other end of an exec command. norouter_core/wire/SPEC.md is
// the protocol that it speaks on stdin and stdout.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"norouter/agent/internal/agent"
)

const explanation = `norouter agent is started by norouter itself, on the other end of an exec command;
it speaks a protocol, not to people. To join hosts, write a manifest and run
` + "`norouter run MANIFEST`" + ` on your own machine.
`

func main() {
	arguments := os.Args[1:]
	if len(arguments) != 2 || arguments[0] != "agent" || arguments[1] != "--automated" {
		fmt.Fprint(os.Stderr, explanation)
		os.Exit(2)
	}
	// The hub's end decides when we end: by EOF, by bye or by silence. A terminal's interrupt
	// reaches the whole group, and must not tear the link down before that.
	signal.Ignore(syscall.SIGINT, sigPipe)
	raiseDescriptorLimit()
	in, out, err := moveStdioAside()
	if err != nil {
		fmt.Fprintf(os.Stderr, "norouter agent: stdin is no pipe to a hub: %v\n", err)
		os.Exit(1)
	}
	os.Exit(agent.Run(in, out))
}
