package lab

import (
	"slices"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/internal/workbench/report"
)

// endOfKeys is the end of the run in which every key should be at home again.
const endOfKeys = 2 * time.Second

// keys counts the keys that another server than their home answered. Home is
// the server that answered the key before the first fault.
func (m measure) keys() *report.Keys {
	var counted report.Keys
	struck := map[string]bool{}
	for _, n := range m.s.Struck() {
		struck[serverName(n)] = true
	}
	end := m.run.Until.Add(-endOfKeys)
	for _, key := range m.sum.Keys {
		home := homeOf(key)
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
