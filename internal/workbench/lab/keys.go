package lab

import (
	"slices"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/internal/workbench/report"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// keys counts the keys that another server than their home answered. Home is
// the server that answered the key first, before the first fault; a key that
// nobody answered then has none and does not count.
func (m measure) keys() *report.Keys {
	var counted report.Keys
	struck := map[string]bool{}
	for _, n := range m.s.Struck() {
		struck[serverName(n)] = true
	}
	end := m.run.Until.Add(-scenario.KeysAtEnd)
	for _, key := range m.sum.Keys {
		home := homeOf(key)
		if key[home].First >= m.run.Quiet {
			continue
		}
		var moved, away bool
		for server, stay := range key {
			if server != home {
				moved = true
				away = away || stay.Last >= end
			}
		}
		if moved {
			counted.Moved++
			if !struck[home] {
				counted.Stray++
			}
		}
		if away {
			counted.Away++
		}
	}
	return &counted
}

// homeOf is the server that answered the key first.
func homeOf(key protocol.Key) string {
	var servers []string
	for server := range key {
		servers = append(servers, server)
	}
	return slices.MinFunc(servers, func(a, b string) int { return int(key[a].First - key[b].First) })
}
