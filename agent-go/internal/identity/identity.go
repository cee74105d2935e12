// Package identity is what an agent says about itself in its hello (SPEC.md section 2), and how it
// marks the blocks that it puts into files.
package identity

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

const protocol = 1

var features = []string{"listen", "dial", "resolve", "read", "write", "direct", "udp", "splice"}

type hello struct {
	Protocol       int      `json:"protocol"`
	Features       []string `json:"features"`
	Python         string   `json:"python"`
	Implementation string   `json:"implementation"`
	System         string   `json:"system"`
	Machine        string   `json:"machine"`
	Hostname       string   `json:"hostname"`
	PID            int      `json:"pid"`
	BootID         string   `json:"boot_id"`
	NetNS          string   `json:"netns"`
	User           string   `json:"user"`
}

// Hello returns the data of the hello event.
func Hello() any {
	hostname, _ := os.Hostname()
	return hello{
		Protocol:       protocol,
		Features:       features,
		Python:         strings.TrimPrefix(runtime.Version(), "go"),
		Implementation: "Go",
		System:         system(),
		Machine:        machine(),
		Hostname:       hostname,
		PID:            os.Getpid(),
		BootID:         bootID(),
		NetNS:          readLink("/proc/self/ns/net"),
		User:           strconv.Itoa(os.Getuid()),
	}
}

// bootID returns what tells one running system from another; empty where the system does not tell.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func readLink(path string) string {
	target, err := os.Readlink(path)
	if err != nil {
		return ""
	}
	return target
}

var systems = map[string]string{
	"linux": "Linux", "darwin": "Darwin", "freebsd": "FreeBSD", "openbsd": "OpenBSD",
	"netbsd": "NetBSD", "windows": "Windows",
}

// system returns the name of the system as uname has it.
func system() string {
	return systems[runtime.GOOS]
}

var machines = map[string]string{
	"linux-amd64": "x86_64", "linux-386": "i686", "linux-arm64": "aarch64", "linux-arm": "armv7l",
	"darwin-amd64": "x86_64",
}

// machine returns the architecture as uname has it.
func machine() string {
	if name, ok := machines[runtime.GOOS+"-"+runtime.GOARCH]; ok {
		return name
	}
	return runtime.GOARCH
}
