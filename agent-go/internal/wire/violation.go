package wire

import "fmt"

// Violation is a breach of the protocol by the peer (SPEC.md section 9). It ends the link and
// nothing else.
type Violation struct {
	Code   string
	Reason string
}

func (v *Violation) Error() string {
	return v.Code + ": " + v.Reason
}

func violation(code, format string, args ...any) *Violation {
	return &Violation{code, fmt.Sprintf(format, args...)}
}
