package dns

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A conf is what resolv.conf(5) says, as far as it concerns a stub resolver.
// "rotate" is not observed: it spreads load that the TTL already spreads, and
// makes answers differ from one look-up to the next.
type conf struct {
	servers  []string // host:port
	search   []string // rooted: "ns.svc.cluster.local."
	ndots    int
	timeout  time.Duration // of one try at one server
	attempts int           // rounds over the servers
	tcp      bool          // "use-vc": never UDP
}

const (
	// maxServers is MAXNS of resolv.conf(5).
	maxServers = 3
	// maxSearch bounds the names that one look-up may ask for. glibc ≥ 2.26 has
	// no bound; Kubernetes allows 32 (KEP-2595).
	maxSearch = 32
	// defaultTimeout is how long a server may take. resolv.conf(5) says 5 s; a
	// caching server that has the answer needs milliseconds and one that has to
	// fetch it is asked again, so what 5 s buys is a client that is blind for
	// that long when its first server is down.
	defaultTimeout = 2 * time.Second
)

// parseConf reads resolv.conf(5). hostname gives the default search domain, as
// the manual has it.
func parseConf(text, hostname string) conf {
	c := conf{ndots: 1, timeout: defaultTimeout, attempts: 2}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		switch f[0] {
		case "nameserver":
			if len(f) > 1 && len(c.servers) < maxServers {
				if _, err := netip.ParseAddr(f[1]); err == nil {
					c.servers = append(c.servers, net.JoinHostPort(f[1], "53"))
				}
			}
		case "domain", "search": // the last one counts
			c.search = []string{} // "search ." is no search list, and no default either
			for _, s := range f[1:] {
				if s = rooted(s); s != "." && len(c.search) < maxSearch {
					c.search = append(c.search, s)
				}
			}
		case "options":
			for _, o := range f[1:] {
				c = c.with(o)
			}
		}
	}
	if len(c.servers) == 0 {
		c.servers = []string{"127.0.0.1:53", "[::1]:53"} // resolv.conf(5)
	}
	if c.search == nil {
		if _, domain, ok := strings.Cut(hostname, "."); ok && domain != "" {
			c.search = []string{rooted(domain)}
		}
	}
	return c
}

// with returns c with an option of an "options" line.
func (c conf) with(o string) conf {
	name, value, _ := strings.Cut(o, ":")
	n, err := strconv.Atoi(value)
	switch name {
	case "ndots":
		if err == nil {
			c.ndots = min(max(n, 0), 15) // RES_MAXNDOTS
		}
	case "timeout":
		if err == nil {
			c.timeout = time.Duration(min(max(n, 1), 30)) * time.Second // RES_MAXRETRANS
		}
	case "attempts":
		if err == nil {
			c.attempts = min(max(n, 1), 5) // RES_MAXRETRY
		}
	case "use-vc", "usevc", "tcp":
		c.tcp = true
	}
	return c
}

func confFile(path string) *file[conf] {
	return &file[conf]{path: path, limit: 64 << 10, parse: func(text string) conf {
		hostname, err := os.Hostname()
		if err != nil {
			hostname = "" // then there is no default search domain
		}
		return parseConf(text, hostname)
	}}
}

func rooted(name string) string {
	if strings.HasSuffix(name, ".") {
		return name
	}
	return name + "."
}

// candidates returns the rooted names to ask for, in order: a name that ends
// with a dot is asked for as it is; one with at least ndots dots first as it is
// and then with each search domain; another one with the search domains first.
// Names longer than DNS allows are left out.
func (c conf) candidates(host string) []string {
	if strings.HasSuffix(host, ".") {
		return []string{host}
	}
	asIs := rooted(host)
	var names []string
	for _, s := range c.search {
		if name := asIs + s; len(name) <= maxName {
			names = append(names, name)
		}
	}
	if strings.Count(host, ".") >= c.ndots {
		return slices.Insert(names, 0, asIs)
	}
	return append(names, asIs)
}

// maxName is the length of the longest name in its rooted text form: 255 bytes
// on the wire (RFC 1035 §2.3.4) less one length byte.
const maxName = 254

// checkName reports why a name cannot be asked for, "" if it can.
func checkName(host string) string {
	name := rooted(host)
	if host == "" {
		return "it is empty"
	}
	if len(name) > maxName {
		return "it is longer than 253 characters"
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if label == "" {
			return "it has an empty label: remove the dot too many"
		}
		if len(label) > 63 {
			return "it has a label longer than 63 characters"
		}
		for _, b := range []byte(label) {
			if b <= ' ' || b >= 0x7f {
				return "it has a character that host names cannot have: write an international name in its xn-- form"
			}
		}
	}
	return ""
}
