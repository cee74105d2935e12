package files

import (
	"os"
	"os/user"
	"path/filepath"
	"strings"
)

// expand returns a path with this machine's ~ and ${VAR}.
func expand(path string) (string, error) {
	home, ok := expandHome(path)
	expanded := expandVariables(home)
	if !ok || strings.Contains(expanded, "${") || strings.ContainsRune(expanded, 0) {
		return "", Error("cannot expand '" + path + "' on this host")
	}
	return expanded, nil
}

func expandHome(path string) (string, bool) {
	if !strings.HasPrefix(path, "~") {
		return path, true
	}
	name, rest := path[1:], ""
	if at := strings.IndexAny(path, `/`+string(filepath.Separator)); at >= 0 {
		name, rest = path[1:at], path[at:]
	}
	home := ""
	if name == "" {
		home, _ = os.UserHomeDir()
		if home == "" {
			if known, err := user.Current(); err == nil {
				home = known.HomeDir
			}
		}
	} else if known, err := user.Lookup(name); err == nil {
		home = known.HomeDir
	}
	if home == "" {
		return path, false
	}
	return strings.TrimRight(home, "/") + rest, true
}

// expandVariables replaces $VAR and ${VAR}; those that are not set stay as they are.
func expandVariables(path string) string {
	var out strings.Builder
	for path != "" {
		at := strings.IndexByte(path, '$')
		if at < 0 {
			break
		}
		out.WriteString(path[:at])
		name, size := variable(path[at:])
		if value, ok := os.LookupEnv(name); ok && name != "" {
			out.WriteString(value)
		} else {
			out.WriteString(path[at : at+size])
		}
		path = path[at+size:]
	}
	return out.String() + path
}

// variable returns the name of the variable that text, from its $ on, begins with, and how many
// bytes that takes.
func variable(text string) (string, int) {
	if strings.HasPrefix(text, "${") {
		if end := strings.IndexByte(text, '}'); end >= 0 {
			return text[2:end], end + 1
		}
		return "", 2
	}
	end := 1
	for end < len(text) && (text[end] == '_' || isAlphanumeric(text[end])) {
		end++
	}
	return text[1:end], end
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
