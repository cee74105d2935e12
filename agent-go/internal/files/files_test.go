package files

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"norouter/agent/internal/identity"
)

func text(s string) content { return &s }

func all(string) bool { return true }

func TestBlocksAreRemovedInAnyOrder(t *testing.T) {
	owners := []string{"one", "two", "three"}
	orders := [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	befores := []content{nil, text(""), text("a\n"), text("a"), text("a\r\n\n"),
		text(blockBegin + "\ncut off\n"), text(blockEnd + "\n")}
	for _, before := range befores {
		for _, order := range orders {
			now := before
			for _, owner := range owners {
				now = text(appendBlock(now, "10.0.0.1 "+owner+"\n", owner))
			}
			for _, i := range order {
				now = removeBlocks(now, func(owner string) bool { return owner == owners[i] })
			}
			if (now == nil) != (before == nil) || now != nil && *now != *before {
				t.Errorf("%v, removed in the order %v: %v", before, order, now)
			}
		}
	}
}

func TestLinesThatOthersAddStay(t *testing.T) {
	one := appendBlock(text("a"), "one", "one") + "b\n"
	two := appendBlock(text(one), "two", "two")
	if got := removeBlocks(&two, func(owner string) bool { return owner == "two" }); *got != one {
		t.Errorf("%q", *got)
	}
	if got := removeBlocks(&two, all); *got != "a\nb\n" {
		t.Errorf("%q", *got)
	}
}

func FuzzBlocks(f *testing.F) {
	f.Add("a", "10.0.0.1 web")
	f.Add(blockBegin+"\n"+blockEnd+"\n", "")
	f.Add(appendBlock(nil, "x", "o"), "y")
	f.Fuzz(func(t *testing.T, before, body string) {
		if strings.Contains(body, "NoRouter>") {
			return // a body that is a block itself is nobody's
		}
		added := appendBlock(text(before), body, "me 1.2.3.4")
		removed := removeBlocks(&added, func(owner string) bool { return owner == "me 1.2.3.4" })
		if hasOpenBlock(before) || strings.Contains(before, "me 1.2.3.4") {
			return // our marker ends what was there
		}
		if removed == nil || *removed != before {
			t.Fatalf("%q became %q, and then %v", before, added, removed)
		}
	})
}

func hasOpenBlock(before string) bool {
	probe := before + "\n" + blockEnd + "\n"
	return len(parse(probe)) != len(parse(before+"\n"))+1
}

func TestAFileIsPutBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(path, []byte("127.0.0.1 localhost"), 0o640); err != nil {
		t.Fatal(err)
	}
	owner := identity.BlockOwner("web")
	dead := "db " + strings.Fields(owner)[1] + "0" // a start time of no process
	if _, changed, err := Write(path, "10.0.0.9 stale", "block", dead); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if _, changed, err := Write(path, "10.0.0.1 web", "block", owner); err != nil || !changed {
		t.Fatal(changed, err)
	}
	_, now, more, err := Read(path, 1<<20)
	if err != nil || more || strings.Contains(now, "stale") || !strings.Contains(now, "10.0.0.1 web\n") {
		t.Fatalf("%q %v", now, err)
	}
	if copied, _ := os.ReadFile(path + backupSuffix); string(copied) != "127.0.0.1 localhost" {
		t.Fatalf("%q", copied)
	}
	if _, _, err := Write(path, "", "remove-block", owner); err != nil {
		t.Fatal(err)
	}
	status, _ := os.Stat(path)
	if _, now, _, _ := Read(path, 1<<20); now != "127.0.0.1 localhost" || status.Mode() != 0o640 {
		t.Fatalf("%q %v", now, status.Mode())
	}
	if _, now, more, _ := Read(path, 3); now != "127" || !more {
		t.Fatalf("%q %v", now, more)
	}
	if _, err := os.Stat(path + backupSuffix); !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

func TestWhatIsNotWritten(t *testing.T) {
	directory := t.TempDir()
	path := filepath.Join(directory, "theirs")
	if err := os.WriteFile(path, []byte("theirs\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{path, "replace"}, {path, "append"}, {directory, "replace"}, {"${NO_SUCH}/x", "block"},
		{"~no-such-user/x", "block"}, {"a\x00b", "block"}, {"/dev/null/x", "block"},
	} {
		if _, _, err := Write(c[0], "ours", c[1], ""); err == nil {
			t.Errorf("%q was written", c)
		}
	}
	for _, name := range []string{directory, "/dev/null", filepath.Join(directory, "none")} {
		if _, _, _, err := Read(name, 10); err == nil {
			t.Errorf("%q was read", name)
		}
	}
}

func TestASymbolicLinkStaysOne(t *testing.T) {
	folder := t.TempDir()
	target, link := filepath.Join(folder, "target"), filepath.Join(folder, "link")
	if err := os.Symlink("target", link); err != nil {
		t.Skip(err)
	}
	if _, _, err := Write(link, "10.0.0.1 web\n", "block", ""); err != nil {
		t.Fatal(err)
	}
	written, _ := os.ReadFile(target)
	if followed, err := os.Readlink(link); err != nil || followed != "target" || !strings.Contains(string(written), "10.0.0.1 web\n") {
		t.Fatal(followed, err)
	}
	// Somebody else may have put it into a directory that others may write.
	if _, _, err := Write(link, "# norouter\n", "replace", ""); err == nil {
		t.Fatal("a link was replaced, or followed")
	}
}

func TestWhatAKilledWriterHasLeftIsRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ho[s*ts")
	stale, recent := path+".norouter-0123456789ab", path+".norouter-ba9876543210"
	for _, name := range []string{stale, recent} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(stale, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Write(path, "# norouter\n", "replace", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); err == nil {
		t.Error("it stays for ever")
	}
	if _, err := os.Stat(recent); err != nil {
		t.Error(err)
	}
}

func TestExpand(t *testing.T) {
	t.Setenv("NR_ONE", "1")
	t.Setenv("HOME", "/home/me/")
	for path, want := range map[string]string{
		"$NR_ONE/${NR_ONE}x": "1/1x", "$NR_NONE/$": "$NR_NONE/$", "~/a": "/home/me/a", "a~": "a~", "$NR_ONEx": "$NR_ONEx",
	} {
		if got, err := expand(path); err != nil || got != want {
			t.Errorf("%q is %q, %v", path, got, err)
		}
	}
}

func TestOwnersThatAreDead(t *testing.T) {
	me := identity.BlockOwner("web")
	parts := strings.Split(strings.Fields(me)[1], ".")
	boot, namespace, pid := parts[0], parts[1], strconv.Itoa(os.Getpid())
	for other, want := range map[string]bool{
		me: false, identity.BlockOwner("db"): false, "": false, "what another program wrote": false,
		"web " + boot + ".1." + pid + ".1": true, "db " + boot + ".1." + pid + ".1": false,
		"db deadbeef." + namespace + "." + pid + ".1": true, "db ." + namespace + ".1.": false,
		"db " + boot + "." + namespace + ".x.1": false, "db " + boot + "." + namespace + ".0.1": false,
		"db " + boot + "." + namespace + ".-1.1":                   false,
		"db " + boot + "." + namespace + ".99999999999999999999.1": false,
		"db " + boot + "." + namespace + "." + pid + ".1":          true,
	} {
		if boot != "" && identity.IsStale(other, me) != want {
			t.Errorf("%q: not %v", other, want)
		}
	}
}
