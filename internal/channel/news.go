package channel

import (
	"fmt"
	"sync"
)

// maxNews is how many events may wait for a slow observer: those of a large
// fleet that comes up, several times over.
const maxNews = 1 << 16

// news tells observers what the balancer and the resolver have found, in
// order. grpc-go runs both on goroutines that closing a client waits for, and
// they hold locks that every call needs; so the hooks run on a goroutine of
// their own, from which a hook may do anything. It ends when nothing is left to
// tell, and so soon after the client was closed. The zero news is ready.
type news struct {
	mu      sync.Mutex
	waiting []func()
	telling bool // the goroutine runs
	lost    int  // what an observer was too slow for
}

// post has tell run soon. It never blocks.
func (n *news) post(tell func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.waiting) >= maxNews {
		n.lost++
		return
	}
	n.waiting = append(n.waiting, tell)
	if !n.telling {
		n.telling = true
		go n.run()
	}
}

// run tells what waits.
func (n *news) run() {
	for {
		n.mu.Lock()
		batch := n.waiting
		n.waiting = nil
		n.telling = len(batch) > 0
		n.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		for _, tell := range batch {
			tell()
		}
	}
}

// takeLost returns how many events were lost since it was asked last.
func (n *news) takeLost() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	lost := n.lost
	n.lost = 0
	return lost
}

// later runs a hook on the goroutine of the news, and says first what was lost.
func (c *Channel) later(hook func()) {
	c.news.post(func() {
		if lost := c.news.takeLost(); lost > 0 {
			c.problem(fmt.Errorf("%d changes of endpoints and look-ups were not told: an observer of %s takes too long; hooks must not block", lost, c.cfg.Target))
		}
		hook()
	})
}
