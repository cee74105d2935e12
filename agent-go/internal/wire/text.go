package wire

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A byte of a file that is no part of valid UTF-8 travels as the lone surrogate U+DC00 plus that
// byte, escaped (SPEC.md section 3). encoding/json knows no lone surrogates.
const bytesBegin, bytesEnd = 0xdc80, 0xdcff

// Text is a file's text in a message.
type Text string

// MarshalJSON returns the text in quotes, in ASCII.
func (t Text) MarshalJSON() ([]byte, error) {
	var out strings.Builder
	out.WriteByte('"')
	for i := 0; i < len(t); {
		r, size := utf8.DecodeRuneInString(string(t[i:]))
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\u%04x`, 0xdc00+int(t[i]))
		case r == '"' || r == '\\':
			out.WriteByte('\\')
			out.WriteRune(r)
		case r >= 0x10000:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		case r < 0x20 || r > 0x7e:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
		i += size
	}
	out.WriteByte('"')
	return []byte(out.String()), nil
}

// decodeText returns what a JSON string stands for; quoted is valid JSON.
func decodeText(quoted json.RawMessage) string {
	var plain string
	if !strings.Contains(strings.ToLower(string(quoted)), `\udc`) {
		if json.Unmarshal(quoted, &plain) == nil {
			return plain
		}
	}
	var out strings.Builder
	for text := string(quoted[1 : len(quoted)-1]); text != ""; {
		if text[0] != '\\' {
			end := strings.IndexByte(text, '\\')
			if end < 0 {
				end = len(text)
			}
			out.WriteString(text[:end])
			text = text[end:]
			continue
		}
		text = decodeEscape(&out, text)
	}
	return out.String()
}

var escapes = map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// decodeEscape writes what the escape at the front of text stands for, and returns the rest.
func decodeEscape(out *strings.Builder, text string) string {
	if text[1] != 'u' {
		if c, ok := escapes[text[1]]; ok {
			out.WriteByte(c)
		} else {
			out.WriteByte(text[1])
		}
		return text[2:]
	}
	r, rest := codeUnit(text), text[6:]
	if utf16.IsSurrogate(r) {
		if low := codeUnit(rest); utf16.DecodeRune(r, low) != utf8.RuneError {
			out.WriteRune(utf16.DecodeRune(r, low))
			return rest[6:]
		}
		if r >= bytesBegin && r <= bytesEnd {
			out.WriteByte(byte(r - 0xdc00))
			return rest
		}
	}
	out.WriteRune(r) // any other surrogate becomes U+FFFD
	return rest
}

// codeUnit returns the UTF-16 code unit that the escape at the front of text stands for, or 0.
func codeUnit(text string) rune {
	if len(text) < 6 || text[:2] != `\u` {
		return 0
	}
	value, err := strconv.ParseUint(text[2:6], 16, 16)
	if err != nil {
		return 0
	}
	return rune(value)
}
