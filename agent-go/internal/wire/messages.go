package wire

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// Object is a JSON object whose values have not been read yet. Its keys are exact, as SPEC.md
// writes them.
type Object map[string]json.RawMessage

// ParseObject returns the JSON object in a payload (SPEC.md section 3); a violation with the code
// "json" if it holds none.
func ParseObject(payload []byte) (Object, *Violation) {
	if !utf8.Valid(payload) {
		return nil, &Violation{"json", "not JSON: not UTF-8"}
	}
	if len(payload) > 2*maxDepth && depth(payload) > maxDepth {
		return nil, violation("json", "nested deeper than %d levels", maxDepth)
	}
	var object Object
	if err := json.Unmarshal(payload, &object); err != nil {
		return nil, violation("json", "not a JSON object: %v", err)
	}
	if object == nil {
		return nil, &Violation{"json", "null instead of an object"}
	}
	return object, nil
}

// depth returns how deep arrays and objects are nested in a text that may be JSON.
func depth(text []byte) int {
	level, deepest, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}

// Has reports whether there is a value other than null under a key.
func (o Object) Has(key string) bool {
	value, ok := o[key]
	return ok && string(value) != "null"
}

// Int returns the whole number under a key.
func (o Object) Int(key string) (int64, *Violation) {
	value, err := strconv.ParseInt(string(o[key]), 10, 64)
	if err != nil {
		return 0, violation("json", "%q is not a whole number", key)
	}
	return value, nil
}

// Float returns the number under a key.
func (o Object) Float(key string) (float64, *Violation) {
	var value float64
	if !o.Has(key) || json.Unmarshal(o[key], &value) != nil {
		return 0, violation("json", "%q is not a number", key)
	}
	return value, nil
}

// Text returns the text under a key. Bytes that are not UTF-8 travel in it as SPEC.md section 3
// says, and come back as they were.
func (o Object) Text(key string) (string, *Violation) {
	value := o[key]
	if len(value) == 0 || value[0] != '"' {
		return "", violation("json", "%q is not text", key)
	}
	return decodeText(value), nil
}

// Object returns the object under a key.
func (o Object) Object(key string) (Object, *Violation) {
	var value Object
	if json.Unmarshal(o[key], &value) != nil || value == nil {
		return nil, violation("json", "%q is not an object", key)
	}
	return value, nil
}

// Address returns the address [HOST, PORT] under a key.
func (o Object) Address(key string) (Address, *Violation) {
	var pair []json.RawMessage
	if json.Unmarshal(o[key], &pair) != nil || len(pair) != 2 {
		return Address{}, badAddress()
	}
	return Object{"host": pair[0], "port": pair[1]}.HostPort()
}

// HostPort returns the address whose parts are under "host" and "port".
func (o Object) HostPort() (Address, *Violation) {
	host, badHost := o.Text("host")
	port, badPort := o.Int("port")
	if badHost != nil || badPort != nil || port < 0 || port > 65535 ||
		utf8.RuneCountInString(host) > MaxHost {
		return Address{}, badAddress()
	}
	return Address{host, int(port)}, nil
}

func badAddress() *Violation {
	return &Violation{"json", "not an address of the form [HOST, PORT]"}
}

// IsDatagram reports whether the "proto" of an OPEN or a listen is udp (SPEC.md section 10).
func (o Object) IsDatagram() (bool, *Violation) {
	if _, ok := o["proto"]; !ok {
		return false, nil
	}
	proto, err := o.Text("proto")
	if err != nil || (proto != "tcp" && proto != "udp") {
		return false, &Violation{"json", "'proto' is neither tcp nor udp"}
	}
	return proto == "udp", nil
}

// Address is a host, by name or IP literal, and a port.
type Address struct {
	Host string
	Port int
}

// MarshalJSON returns the address as [HOST, PORT].
func (a Address) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{a.Host, a.Port})
}

type message struct {
	Type string `json:"type"`
	Body any    `json:"body"`
}

type eventBody struct {
	Type string `json:"type"`
	Data any    `json:"data"`
}

type resultBody struct {
	RequestID json.RawMessage `json:"request_id"`
	Data      any             `json:"data"`
}

type failureBody struct {
	RequestID json.RawMessage `json:"request_id"`
	Error     Failure         `json:"error"`
}

// Failure is why a request could not be done: Code is a stable word.
type Failure struct {
	Code   string `json:"code"`
	Reason string `json:"reason"`
}

func (f *Failure) Error() string {
	return f.Code + ": " + f.Reason
}

// EncodeEvent returns an event, encoded.
func EncodeEvent(name string, data any) []byte {
	return encode(message{"event", eventBody{name, data}})
}

// EncodeResult returns the answer to a request, encoded. id is the request's own.
func EncodeResult(id json.RawMessage, data any) []byte {
	return encode(message{"result", resultBody{id, data}})
}

// EncodeFailure returns the answer to a request that could not be done, encoded.
func EncodeFailure(id json.RawMessage, failure *Failure) []byte {
	return encode(message{"result", failureBody{id, *failure}})
}

// encode returns compact JSON. What this program encodes always can be.
func encode(value any) []byte {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))
}

// CheckID returns the id of a request, which its answer repeats.
func CheckID(body Object) (json.RawMessage, *Violation) {
	id := body["id"]
	for i, c := range id {
		if (c < '0' || c > '9') && !(c == '-' && i == 0) {
			id = nil
		}
	}
	if len(id) == 0 {
		return nil, violation("json", "%q is not a whole number", "id")
	}
	return append(json.RawMessage(nil), id...), nil
}
