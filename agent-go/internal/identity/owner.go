package identity

import (
	"os"
	"strconv"
	"strings"
)

// BlockOwner returns what marks the blocks that this process writes for the host name of a mesh
// (SPEC.md section 12); nothing for no name.
func BlockOwner(name string) string {
	if name == "" {
		return ""
	}
	pid := os.Getpid()
	parts := []string{firstPart(bootID()), pidNamespace(), strconv.Itoa(pid), startTime(pid)}
	return strings.Join(strings.Fields(name), "") + " " + strings.Join(parts, ".")
}

func firstPart(boot string) string {
	if len(boot) > 8 {
		return boot[:8]
	}
	return boot
}

// IsStale reports whether the process that other names is known to be gone.
//
// Of one in another pid namespace, such as a container's that has been started again, nobody can
// tell; the same host of a mesh is then taken for a former self.
func IsStale(other, mine string) bool {
	name, parts := splitOwner(other)
	myName, myParts := splitOwner(mine)
	if len(parts) != 4 || len(myParts) != 4 || other == mine {
		return false
	}
	if parts[0] != myParts[0] {
		return parts[0] != "" && myParts[0] != "" // the machine has been booted since
	}
	if parts[1] != myParts[1] {
		return name == myName
	}
	return !isAlive(parts[2], parts[3])
}

func splitOwner(owner string) (name string, parts []string) {
	if at := strings.LastIndexByte(owner, ' '); at >= 0 {
		name, owner = owner[:at], owner[at+1:]
	}
	return name, strings.Split(owner, ".")
}

func isAlive(pid, started string) bool {
	number, err := strconv.ParseUint(pid, 10, 31)
	if err != nil || number == 0 || len(pid) > 9 {
		return true
	}
	if !processExists(int(number)) {
		return false
	}
	// Another process may have got the number since.
	now := startTime(int(number))
	return started == "" || now == started || now == ""
}

// startTime returns when a process was started, in ticks since the boot; "ended" for one that waits
// to be reaped; empty where the system does not tell.
func startTime(pid int) string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	// Its name is in parentheses, and may hold some itself.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 {
		return ""
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return "ended"
	}
	return fields[19]
}

func pidNamespace() string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, readLink("/proc/self/ns/pid"))
}
