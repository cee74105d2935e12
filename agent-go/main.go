// Command norouter is the native agent of norouter-tui: what runs on a host, started by
// `norouter agent --automated` on the other end of an exec command. norouter_core/wire/SPEC.md is
// the protocol that it speaks on stdin and stdout.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"norouter/agent/internal/agent"
)

const version = "0.1.0.dev0"

const explanation = "norouter starts `norouter agent` itself, on a host, by an exec command.\n" +
	"To join hosts, write a manifest and run `norouter run MANIFEST` on your own machine.\n"

// A program that was just sent is run with the test word, to find out whether it can be executed here.
const (
	testWord   = "t"
	testStatus = 42
)

func main() {
	arguments := os.Args[1:]
	if len(arguments) == 1 && arguments[0] == testWord {
		os.Exit(testStatus)
	}
	if len(arguments) == 1 && (arguments[0] == "--version" || arguments[0] == "-v") {
		fmt.Printf("norouter %s (agent)\n", version)
		return
	}
	if len(arguments) == 4 && arguments[2] == "--remove" {
		// The file that this program was sent as; nothing of it stays on the host.
		_ = os.Remove(arguments[3])
		// Linux would list it under the number of the descriptor that it was executed from.
		_ = os.WriteFile("/proc/self/comm", []byte("norouter"), 0)
		arguments = arguments[:2]
	}
	if len(arguments) != 2 || arguments[0] != "agent" || arguments[1] != "--automated" {
		fmt.Fprint(os.Stderr, explanation)
		os.Exit(2)
	}
	// The hub decides when the agent ends: by EOF, bye or silence. A terminal sends Ctrl-C to the
	// whole process group, which must not end the link before that.
	signal.Ignore(syscall.SIGINT, sigPipe)
	raiseDescriptorLimit()
	// More would only wake each other up: what an agent does takes less than such a switch.
	runtime.GOMAXPROCS(1)
	in, out, err := moveStdioAside()
	if err != nil {
		fmt.Fprintf(os.Stderr, "norouter agent: stdin is not a pipe to a hub: %v\n", err)
		os.Exit(1)
	}
	os.Exit(agent.Run(in, out))
}
