package discovery

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/surefoot-rpc/surefoot/internal/engine/dnscache"
)

// A watch looks one name up for as long as a channel uses it. The goroutine
// that does is started by the first user and ended by the last.
type watch struct {
	host    string
	timeout time.Duration
	lookup  func(ctx context.Context) (found, error)
	random  func() uint64

	// Of the goroutine that looks up. A new one waits for the one before it.
	entry  *dnscache.Entry
	source source // what answered last

	mu      sync.Mutex // guards what follows; nobody is called while it is held
	users   map[*channelResolver]struct{}
	current snapshot
	nextAsk time.Time
	cancel  context.CancelFunc
	ended   chan struct{} // closed when the last goroutine has ended, nil if it is known to
	unused  time.Time     // since when there are no users
	// What the goroutine is told, each holding one piece of news that it has not
	// seen. They are made with it: a name outlives the synctest bubble of a test,
	// channels must not.
	hint  chan struct{} // the set may be out of date
	woken chan struct{} // a channel is used again
}

// A snapshot is what is known about a name. It never changes.
type snapshot struct {
	version uint64            // grows with each snapshot that users must be told of; 0 is nothing known
	records []dnscache.Record // sorted
	emptied bool              // there were records, which are too old to use
	err     error             // why there are no records
}

// add makes r a user.
func (w *watch) add(r *channelResolver) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.users[r] = struct{}{}
	if len(w.users) == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		before := w.ended
		w.cancel, w.ended = cancel, make(chan struct{})
		w.hint, w.woken = make(chan struct{}, 1), make(chan struct{}, 1)
		go w.run(ctx, news{w.hint, w.woken}, before, w.ended)
	}
	tell(w.woken)
	if w.current.version > 0 && time.Now().Before(w.nextAsk) {
		r.wake() // what is older than its TTL is used only if asking again fails
	}
}

// remove ends that. It returns what is closed when the look-ups have ended if r
// was the last user, nil otherwise.
func (w *watch) remove(r *channelResolver) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.users, r)
	if len(w.users) > 0 {
		return nil
	}
	w.cancel()
	w.unused = time.Now()
	return w.ended
}

// forget drops ended, which is closed.
func (w *watch) forget(ended <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended == ended {
		w.ended, w.hint, w.woken = nil, nil, nil
	}
}

func (w *watch) unusedSince() (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.unused, len(w.users) == 0
}

func (w *watch) snapshot() snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.current
}

// resolveNow hints that the addresses may be out of date. It never blocks.
func (w *watch) resolveNow() {
	w.mu.Lock()
	defer w.mu.Unlock()
	tell(w.hint)
}

// wake says that a channel is used again. It never blocks.
func (w *watch) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	tell(w.woken)
}

// tell leaves a piece of news in c, unless one is there or nobody listens.
func tell(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// news is what a goroutine that looks up is told.
type news struct{ hint, woken <-chan struct{} }

// used reports whether a channel was used since the last time, or is.
func (w *watch) used() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	used := false
	for r := range w.users {
		if r.takeUse() {
			used = true // and look at the others: each starts anew
		}
	}
	return used
}

// run looks up until ctx ends. before is closed when the goroutine that owned
// the entry before has ended, nil if there was none.
func (w *watch) run(ctx context.Context, n news, before <-chan struct{}, ended chan<- struct{}) {
	defer close(ended)
	if before != nil {
		<-before // it was cancelled
	}
	defer w.entry.Suspended()
	timer := time.NewTimer(time.Until(w.entry.NextAsk()))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.hint:
			arm(timer, w.entry.ResolveNow(time.Now(), w.random()))
		case <-n.woken:
			arm(timer, w.entry.Wake(time.Now(), w.random()))
		case <-timer.C:
			step, ask := w.entry.Due(time.Now(), w.random(), w.used())
			if ask {
				if step, ask = w.ask(ctx, n.hint); !ask {
					return
				}
			}
			arm(timer, step)
		}
	}
}

func arm(timer *time.Timer, step dnscache.Step) {
	if step.Idle {
		timer.Stop()
		return
	}
	timer.Reset(time.Until(step.NextAsk))
}

// ask looks the name up once and tells the users. It returns what to do next,
// and false if ctx ended first.
func (w *watch) ask(ctx context.Context, hint <-chan struct{}) (dnscache.Step, bool) {
	start := time.Now()
	w.entry.Asked(start)
	answer, err := w.lookupOnce(ctx)
	if ctx.Err() != nil {
		return dnscache.Step{}, false
	}
	now := time.Now()
	select {
	case <-hint:
		w.entry.ResolveNow(now, w.random())
	default:
	}
	old := w.entry.Records()
	var step dnscache.Step
	if err != nil {
		step = w.entry.Fail(now, w.random(), err)
	} else {
		step = w.entry.Answer(now, w.random(), answer.facts)
		w.source = answer.source
	}
	e := Event{
		Host:      w.host,
		Server:    answer.server,
		Endpoints: len(w.entry.Records()),
		TTL:       answer.facts.TTL,
		Took:      now.Sub(start),
		Next:      step.NextAsk.Sub(now),
		Err:       err,
		Why:       step.Why,
	}
	if step.Publish != nil {
		e.Added, e.Removed = difference(old, step.Publish)
	}
	for _, r := range w.publish(step) {
		r.cfg.OnUpdate(e)
		r.wake()
	}
	return step, true
}

// lookupOnce returns a usable answer or why there is none.
func (w *watch) lookupOnce(ctx context.Context) (found, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	answer, err := w.lookup(ctx)
	switch {
	case err != nil:
		return found{}, err
	case len(answer.facts.Records) == 0:
		return found{}, dnscache.ErrEmpty
	case answer.skipped != nil && w.source != source{} && answer.source != w.source:
		// The name that used to answer fails, and one further down the search
		// list, or a lower priority, answers in its place. It may be another
		// service, or the servers for bad times: better keep what is known.
		return found{}, answer.skipped
	case w.source != source{} && answer.source.rank > w.source.rank:
		// The same, if the name that used to answer is denied all of a sudden: a
		// wildcard further down the list answers for every name.
		return found{}, fmt.Errorf("%s, which used to have the addresses, is denied, and %s is not trusted to stand for it", w.source.name, answer.source.name)
	}
	return answer, nil
}

// publish makes what step says the current snapshot and returns the users.
func (w *watch) publish(step dnscache.Step) []*channelResolver {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nextAsk = step.NextAsk
	if step.Publish != nil || step.Err != nil {
		w.current = snapshot{version: w.current.version + 1, records: w.entry.Records(), emptied: step.Publish != nil, err: step.Err}
	}
	users := make([]*channelResolver, 0, len(w.users))
	for r := range w.users {
		users = append(users, r)
	}
	return users
}

// difference returns what is in b and not in a, and the reverse. Both are
// sorted.
func difference(a, b []dnscache.Record) (added, removed []dnscache.Record) {
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Compare(b[0]) < 0:
			removed = append(removed, a[0])
			a = a[1:]
		case len(a) == 0 || b[0].Compare(a[0]) < 0:
			added = append(added, b[0])
			b = b[1:]
		default:
			a, b = a[1:], b[1:]
		}
	}
	return added, removed
}
