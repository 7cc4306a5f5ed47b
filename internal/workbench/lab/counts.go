package lab

import (
	"context"
	"sync"

	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
)

// counts adds up what the load programs report while they run. Its methods may
// be called from any goroutine.
type counts struct {
	mu    sync.Mutex // guards parts
	parts []protocol.Progress
}

func newCounts(programs int) *counts {
	return &counts{parts: make([]protocol.Progress, programs)}
}

// collect reads the lines of load program i until its tally.
func (c *counts) collect(ctx context.Context, i int, p *program) (protocol.Tally, error) {
	for {
		line, err := p.next(ctx)
		switch {
		case err != nil:
			return protocol.Tally{}, err
		case line.Tally != nil:
			return *line.Tally, nil
		case line.Progress != nil:
			c.mu.Lock()
			c.parts[i] = *line.Progress
			c.mu.Unlock()
		}
	}
}

// progress is the sum of what was reported last.
func (c *counts) progress(run protocol.Go) Progress {
	now := protocol.Now()
	p := Progress{Phase: Running, Done: min(now, run.Until).Sub(run.From)}
	switch {
	case now < run.From:
		p.Phase, p.Done = Warming, 0
	case now >= run.Until:
		p.Phase = Settling
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, part := range c.parts {
		p.Calls += part.Calls
		p.Failed += part.Failed
	}
	return p
}
