package wire

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestWhatIsNoObject(t *testing.T) {
	deep := strings.Repeat(`{"a":`, maxDepth) + "{}" + strings.Repeat("}", maxDepth)
	for _, text := range []string{
		"", "null", "[]", "1", `"text"`, "{]", `{"a":NaN}`, "{} {}", "\xff{}", `{"a":"` + "\xff" + `"}`, deep,
	} {
		if object, err := ParseObject([]byte(text)); err == nil || err.Code != "json" {
			t.Errorf("%.40q: %v %v", text, object, err)
		}
	}
	just := strings.Repeat(`{"a":`, maxDepth-1) + "{}" + strings.Repeat("}", maxDepth-1)
	quoted := `{"a":"` + strings.Repeat(`[{\"`, 100) + `"}`
	for _, text := range []string{"{}", " {} ", just, quoted} {
		if _, err := ParseObject([]byte(text)); err != nil {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

func TestFields(t *testing.T) {
	o, err := ParseObject([]byte(`{"i":7,"f":1.5,"e":1e3,"t":"x","b":true,"n":null,"o":{},"a":["h",80],
		"l":["` + strings.Repeat("é", MaxHost) + `",1],"m":["` + strings.Repeat("é", MaxHost+1) + `",1],
		"p":["h",65536],"q":["h",true],"r":["h"],"big":99999999999999999999}`))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]bool{"i": true, "f": false, "e": false, "b": false, "n": false, "no": false, "t": false, "big": false} {
		if _, err := o.Int(key); (err == nil) != want {
			t.Errorf("Int(%q): %v", key, err)
		}
	}
	for key, want := range map[string]bool{"i": true, "f": true, "e": true, "b": false, "n": false, "no": false} {
		if _, err := o.Float(key); (err == nil) != want {
			t.Errorf("Float(%q): %v", key, err)
		}
	}
	for key, want := range map[string]bool{"t": true, "i": false, "n": false, "o": false, "no": false} {
		if _, err := o.Text(key); (err == nil) != want {
			t.Errorf("Text(%q): %v", key, err)
		}
	}
	for key, want := range map[string]bool{"a": true, "l": true, "m": false, "p": false, "q": false, "r": false, "t": false, "no": false} {
		if _, err := o.Address(key); (err == nil) != want {
			t.Errorf("Address(%q): %v", key, err)
		}
	}
	if o.Has("n") || o.Has("no") || !o.Has("i") {
		t.Error("Has")
	}
}

func TestBytesThatAreNoText(t *testing.T) {
	o, err := ParseObject([]byte(`{"t":"a\udcff\uDC80\ud83d\ude00\n\"\\\u00e9é"}`))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := o.Text("t")
	if want := "a\xff\x80\U0001f600\n\"\\éé"; text != want {
		t.Errorf("%q, not %q", text, want)
	}
}

func FuzzText(f *testing.F) {
	f.Add("plain")
	f.Add("\xff\x80\U0001f600\n\"\\é\u2028\x00\x7f")
	f.Fuzz(func(t *testing.T, text string) {
		encoded, err := json.Marshal(map[string]any{"t": Text(text)})
		if err != nil {
			t.Fatal(err)
		}
		o, violation := ParseObject(encoded)
		if violation != nil {
			t.Fatalf("%s: %v", encoded, violation)
		}
		if decoded, violation := o.Text("t"); violation != nil || decoded != text {
			t.Fatalf("%q, not %q: %v", decoded, text, violation)
		}
	})
}

// FuzzMessages holds whatever the peer says to an event or a violation; nothing may panic.
func FuzzMessages(f *testing.F) {
	for _, text := range []string{
		`{"type":"request","body":{"id":1,"op":"listen","args":{"host":"a","port":1}}}`,
		`{"target":["a",1],"window":16384,"proto":"udp"}`,
		`{"code":"idle","reason":"\udcff"}`,
		`{"host":null,"port":"\ud800\u`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		c := newConn(2)
		s := c.Offer(1, Address{"a", 1}, false)
		for _, frame := range []Frame{
			{JSON, 0, payload}, {Open, 1, payload}, {Opened, s.ID, payload}, {Reset, s.ID, payload},
		} {
			event, _ := c.Receive(frame)
			if event.Kind == GotMessage {
				_, _ = CheckID(event.Body)
				_, _ = event.Body.Object("args")
			}
		}
		if o, err := ParseObject(payload); err == nil {
			for key := range o {
				_, _ = o.Text(key)
				_, _ = o.Address(key)
				_, _ = o.Float(key)
			}
		}
	})
}
