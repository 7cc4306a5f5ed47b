package dns

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func TestSearch(t *testing.T) {
	records := []rr{a("svc.ns.cluster.test.", 5, "10.0.0.1"), a("svc.test.", 5, "10.0.0.2"), a("a.b.cluster.test.", 5, "10.0.0.3")}
	for _, c := range []struct {
		conf, host, addrs string
		asked             []string
	}{
		{"search ns.cluster.test cluster.test\noptions ndots:5", "svc", "10.0.0.1", []string{"svc.ns.cluster.test."}},
		{"search ns.cluster.test cluster.test\noptions ndots:5", "a.b", "10.0.0.3", []string{"a.b.ns.cluster.test.", "a.b.cluster.test."}},
		{"search ns.cluster.test\noptions ndots:5", "svc.test", "10.0.0.2", []string{"svc.test.ns.cluster.test.", "svc.test."}},
		{"search ns.cluster.test\noptions ndots:5", "svc.test.", "10.0.0.2", []string{"svc.test."}},
		{"search ns.cluster.test", "svc.test", "10.0.0.2", []string{"svc.test."}},
		{"search cluster.test", "a.b", "10.0.0.3", []string{"a.b.", "a.b.cluster.test."}},
		{"search x.test", "none.such", "", []string{"none.such.", "none.such.x.test."}},
		{"domain ns.cluster.test", "svc", "10.0.0.1", []string{"svc.ns.cluster.test."}},
		{"search .\noptions ndots:5", "svc.test", "10.0.0.2", []string{"svc.test."}},
	} {
		s := serve(t, zone(records...))
		r := setup{conf: c.conf, only: s, noIPv6: true}.resolver(t)
		got, err := lookup(t, r, c.host)
		if c.addrs == "" {
			wantKind(t, err, NXDomain)
		} else if err != nil || texts(got.Addrs) != c.addrs || got.Name != c.asked[len(c.asked)-1] || got.Skipped != nil {
			t.Errorf("%q, %q: got %+v, %v", c.conf, c.host, got, err)
		}
		if asked := s.asked(dnsmessage.TypeA); !slices.Equal(asked, c.asked) {
			t.Errorf("%q, %q: asked for %q, want %q", c.conf, c.host, asked, c.asked)
		}
	}
}

// TestSkipped: a name of the search list that fails is passed over, as glibc
// and Go do, and the answer says so.
func TestSkipped(t *testing.T) {
	good := zone(a("svc.test.", 5, "10.0.0.2"))
	s := serve(t, func(q query) [][]byte {
		if strings.HasPrefix(q.q.Name.String(), "svc.test.broken.") {
			return [][]byte{replyTo(q, dnsmessage.RCodeServerFailure, nil)}
		}
		return good(q)
	})
	r := setup{conf: "search broken.test\noptions ndots:5", only: s, noIPv6: true}.resolver(t)
	got, err := lookup(t, r, "svc.test")
	if err != nil || texts(got.Addrs) != "10.0.0.2" || got.Name != "svc.test." {
		t.Fatalf("got %+v, %v", got, err)
	}
	if e := wantKind(t, got.Skipped, ServFail); e.Name != "svc.test.broken.test." {
		t.Errorf("skipped: %v", e)
	}
	_, err = lookup(t, r, "nosuch.test")
	wantKind(t, err, NXDomain)
}

func TestWithoutAServer(t *testing.T) {
	s := serve(t, zone(a("db.test.", 5, "10.0.0.9")))
	r := setup{
		conf:    "nameserver 10.0.0.1",
		hosts:   "# c\n10.1.1.1 DB.test db # comment\nfd00::7 db.test\nnonsense db\n10.1.1.1 db.test\n",
		servers: map[string]*server{"10.0.0.1:53": s},
	}.resolver(t)
	for _, c := range []struct {
		host, addrs string
		ttl         time.Duration
	}{
		{"db.test", "10.1.1.1 fd00::7", hostsTTL},
		{"db.TEST.", "10.1.1.1 fd00::7", hostsTTL},
		{"db", "10.1.1.1", hostsTTL},
		{"localhost", "127.0.0.1 ::1", hostsTTL},
		{"a.localhost.", "127.0.0.1 ::1", hostsTTL},
		{"10.2.3.4", "10.2.3.4", literalTTL},
		{"fe80::1%eth0", "fe80::1%eth0", literalTTL},
	} {
		got, err := lookup(t, r, c.host)
		if err != nil || texts(got.Addrs) != c.addrs || got.TTL != c.ttl {
			t.Errorf("%s: got %+v, %v", c.host, got, err)
		}
	}
	if q := s.queries(); len(q) != 0 {
		t.Errorf("asked for %v", q)
	}
	// The server that was named is the one that is asked.
	got, err := lookup(t, setup{only: s, hosts: "10.1.1.1 db.test"}.resolver(t), "db.test")
	if err != nil || texts(got.Addrs) != "10.0.0.9" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestBadNames(t *testing.T) {
	r := setup{}.resolver(t)
	for host, text := range map[string]string{
		"":                              "empty",
		"a..b":                          "empty label",
		".":                             "empty label",
		strings.Repeat("a", 64):         "longer than 63",
		strings.Repeat("a.", 127) + "b": "longer than 253",
		"bücher.test":                   "xn--",
		"a b":                           "character",
	} {
		_, err := lookup(t, r, host)
		if wantKind(t, err, BadName); !strings.Contains(err.Error(), text) {
			t.Errorf("%q: got %v, want %q", host, err, text)
		}
	}
}

func TestResolvConf(t *testing.T) {
	for _, c := range []struct {
		text string
		want conf
	}{
		{"", conf{[]string{"127.0.0.1:53", "[::1]:53"}, []string{"corp.test."}, 1, defaultTimeout, 2, false}},
		{"nameserver fd00::53\nnameserver ns.example\nnameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n# nameserver 1.1.1.1\n;x\nsearch a. .\noptions ndots:99 timeout:0 attempts:77 use-vc rotate what:ever",
			conf{[]string{"[fd00::53]:53", "10.0.0.1:53", "10.0.0.2:53"}, []string{"a."}, 15, time.Second, 5, true}},
		{"search .", conf{[]string{"127.0.0.1:53", "[::1]:53"}, []string{}, 1, defaultTimeout, 2, false}},
		{"search a b\ndomain c\noptions ndots:-1 timeout:500 attempts:x ndots", conf{[]string{"127.0.0.1:53", "[::1]:53"}, []string{"c."}, 0, 30 * time.Second, 2, false}},
	} {
		got := parseConf(c.text, "host.corp.test")
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%q:\n got %+v\nwant %+v", c.text, got, c.want)
		}
	}
}

// TestFilesAreReadAgain: a changed or replaced file counts at the next look-up,
// and one that has gone keeps what it said.
func TestFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hosts")
	r := New(Config{Hosts: path, ResolvConf: filepath.Join(dir, "resolv.conf"), IPv6: func() bool { return false }})
	want := func(addrs string) {
		t.Helper()
		if got, ok := r.local("svc"); !ok || texts(got.Addrs) != addrs {
			t.Errorf("got %+v, want %s", got, addrs)
		}
	}
	if _, ok := r.local("svc"); ok {
		t.Error("an answer without a file")
	}
	write(t, path, "10.0.0.1 svc")
	want("10.0.0.1")
	write(t, path, "10.0.0.22 svc")
	want("10.0.0.22")
	write(t, path+".new", "10.0.0.33 svc")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	want("10.0.0.33")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	want("10.0.0.33")
}

// TestAvoidance: a server that stays down costs a time-out ever less often, and
// is the first again once it answers.
func TestAvoidance(t *testing.T) {
	var a avoidance
	servers := []string{"a", "b"}
	now := time.Unix(0, 0)
	tries := 0
	for range 24 * 3600 / 5 { // a look-up each 5 s, for a day
		if a.order(servers, now)[0] == "a" {
			tries++
			a.note("a", false, now)
		}
		a.note("b", true, now)
		now = now.Add(5 * time.Second)
	}
	if tries < 90 || tries > 100 {
		t.Errorf("the dead server was asked first %d times in a day", tries)
	}
	a.note("b", false, now)
	if got := a.order([]string{"b", "a"}, now); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("all are silent: %v, want the order of the file", got)
	}
	a.note("a", true, now)
	if got := a.order(servers, now); !slices.Equal(got, servers) {
		t.Errorf("after an answer: %v", got)
	}
}
