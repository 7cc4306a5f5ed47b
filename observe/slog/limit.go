package slogobserve

import (
	"sync"
	"time"
)

// linesPerSecond is how many lines of one kind are written in a second. It is
// enough to see what fails, and what a logging pipeline bears when everything
// does.
const linesPerSecond = 10

// limit admits the first events of each second and counts the others. The zero
// limit is ready. It may be used from any goroutine.
type limit struct {
	mu         sync.Mutex
	second     time.Time // when the current second began
	admitted   int       // in the current second
	suppressed int       // since the last admitted
}

// admit reports whether an event at now may be written and, if so, how many
// were suppressed since the last that was.
func (l *limit) admit(now time.Time) (suppressed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.second.IsZero() || now.Sub(l.second) >= time.Second {
		l.second, l.admitted = now, 0
	}
	if l.admitted == linesPerSecond {
		l.suppressed++
		return 0, false
	}
	l.admitted++
	suppressed, l.suppressed = l.suppressed, 0
	return suppressed, true
}
