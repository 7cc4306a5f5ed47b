package fleet

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// MaxGroups bounds the groups of a channel: a bit for each, and one for the
// endpoints of no group.
const MaxGroups = 63

// groups numbers the groups of endpoints that the resolver names, from 1. A
// number is never given to another group, or its breakers would be another's.
type groups struct {
	// present has the bit of each group that has a connection.
	present atomic.Uint64

	mu      sync.Mutex
	numbers map[string]uint32
	full    bool                  // which was told
	names   [MaxGroups + 1]string // written before its number is given away
}

// number returns the number of the group with this name, 0 for no group, and
// why it has none though it has a name.
func (g *groups) number(name string) (uint32, error) {
	if name == "" {
		return 0, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := g.numbers[name]; n != 0 {
		return n, nil
	}
	if len(g.numbers) == MaxGroups {
		told := g.full
		g.full = true
		if told {
			return 0, nil
		}
		return 0, fmt.Errorf("the resolver names more than %d groups of endpoints: %q and those that follow have no breaker of their own", MaxGroups, name)
	}
	if g.numbers == nil {
		g.numbers = make(map[string]uint32)
	}
	n := uint32(len(g.numbers) + 1)
	g.numbers[name], g.names[n] = n, name
	return n, nil
}
