package dns

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// hostsTTL is how long what the hosts file says is taken to hold: the file has
// no TTL, and looking whether it has changed costs one stat. It is also what
// package net uses.
const hostsTTL = 5 * time.Second

// hosts is a hosts(5) file: the addresses of each name, in lower case and
// without the dot at the end.
type hosts map[string][]netip.Addr

func parseHosts(text string) hosts {
	h := hosts{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		addr, err := netip.ParseAddr(f[0])
		if err != nil {
			continue
		}
		for _, name := range f[1:] {
			name = hostsKey(name)
			if !slices.Contains(h[name], addr) {
				h[name] = append(h[name], addr)
			}
		}
	}
	return h
}

func hostsKey(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

func hostsFile(path string) *file[hosts] {
	// The large block lists that people put there have a few megabytes.
	return &file[hosts]{path: path, limit: 16 << 20, parse: parseHosts}
}

// isLocalhost reports whether name is, or ends in, "localhost", which never
// goes to a DNS server (RFC 6761 §6.3).
func isLocalhost(name string) bool {
	name = hostsKey(name)
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}
