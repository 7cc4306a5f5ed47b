// Package dnscache decides when the addresses of a name are asked for again and
// which of them are in use.
//
// It is pure: it reads no clock, takes no randomness of its own, starts no
// goroutine and asks nobody. A driver owns one [Entry] for each name, does what
// its [Step] says and tells it what came of it:
//
//	step, ask := entry.Due(now, r, used) // the time that NextAsk said has come
//	entry.Asked(now)                     // before a look-up
//	step = entry.Answer(now, r, answer)  // or entry.Fail(now, r, err)
//	step = entry.ResolveNow(now, r)      // somebody lost a connection
//	step = entry.Wake(now, r)            // the first call after idleness
//
// The rules, in one place: the shortest TTL of an answer counts, clamped; the
// next look-up comes a little before it ends, unless nobody makes calls; nothing
// but an answer with addresses changes the set, and an address leaves only when
// two answers in a row come without it, because servers rotate what they show.
package dnscache

import (
	"errors"
	"time"

	"github.com/surefoot-rpc/surefoot/policy"
)

// Config bounds how often a name is asked for and how long an old answer is
// kept. It is comparable. The zero Config is the defaults; a negative value
// counts as zero.
type Config struct {
	// MinTTL is the shortest time between two planned look-ups: answers with a
	// shorter TTL are treated as if it were this. Zero is 1 s, as in Armeria:
	// with it a new endpoint is seen within TTL + 1 s whatever the TTL, 0
	// included, and a caching server that still has the old answer when it is
	// asked early is asked again at most 1 s after that has expired.
	MinTTL time.Duration
	// MaxTTL is the longest time between two planned look-ups. Zero is 5 min:
	// a zone with a TTL of a day is not why a fleet should miss a migration.
	MaxTTL time.Duration
	// MaxStale is how long after the last good answer its addresses stay in use
	// when no good one follows: for all of them, or for those of one family or
	// one host whose part of the look-up fails. It is checked at each look-up, and
	// idleness does not count. Zero is for ever: an address that was right an hour ago
	// beats no address (RFC 8767 §4).
	MaxStale time.Duration
	// BackoffBase bounds the wait after a first failure, and doubles with each
	// further one. Zero is 100 ms.
	BackoffBase time.Duration
	// BackoffMax bounds the wait after any failure. Zero is 30 s. The time
	// between planned look-ups bounds it too: failing is no reason to notice a
	// new endpoint later than the TTL asks for.
	BackoffMax time.Duration
	// HintInterval is the shortest time between a look-up and another one that
	// a hint causes. That comes up to a quarter of it later still, at random:
	// what one client of a fleet notices, all notice at the same time. Zero is
	// 1 s.
	HintInterval time.Duration
}

// firstPeriod stands for the TTL until an answer has said one: it bounds the
// backoff of a client that cannot make a single call yet.
const firstPeriod = 5 * time.Second

// jitterDivisor is the part of the TTL by which a look-up may come early: up to
// a tenth, so that clients that started together drift apart.
const jitterDivisor = 10

func (c Config) withDefaults() Config {
	or := func(d *time.Duration, otherwise time.Duration) {
		if *d <= 0 {
			*d = otherwise
		}
	}
	or(&c.MinTTL, time.Second)
	or(&c.MaxTTL, 5*time.Minute)
	c.MaxTTL = max(c.MaxTTL, c.MinTTL)
	c.MaxStale = max(c.MaxStale, 0)
	or(&c.BackoffBase, 100*time.Millisecond)
	or(&c.BackoffMax, max(30*time.Second, c.BackoffBase))
	or(&c.HintInterval, time.Second)
	return c
}

// An Answer is what a look-up brought.
type Answer struct {
	// Records are in any order, duplicates allowed. None at all is a failure: it
	// never empties the set.
	Records []Record
	// TTL is the shortest TTL of what Records were read from.
	TTL time.Duration
	// Unanswered are the families that were asked for without a usable reply.
	// Their records stay: silence about them is not an answer without them.
	Unanswered Families
	// UnansweredOf is the same for single hosts of an SRV answer. Nil is none.
	UnansweredOf map[string]Families
}

// A Step is what the driver has to do next.
type Step struct {
	// Publish is the new set, sorted, if it changed; nil if it did not. It is
	// empty but not nil when the last good answer became too old to use. The
	// slice belongs to the Entry and never changes: share it, do not modify it.
	Publish []Record
	// Err is why there is no set at all. It is nil while there is one.
	Err error
	// NextAsk is when to look up again. It replaces the NextAsk before.
	NextAsk time.Time
	// Idle says that no look-up is planned, and NextAsk means nothing, until a
	// hint or [Entry.Wake] plans one.
	Idle bool
	// Why says in a few words what was decided and why.
	Why string
}

// An Entry is what is known about one name. Make one with [New]. It must be
// used by one goroutine at a time.
type Entry struct {
	cfg Config

	held      []held   // sorted
	published []Record // those of held; never modified in place

	period   time.Duration // clamped TTL of the last good answer
	goodAt   time.Time     // when that came
	failures int           // in a row
	lastErr  error

	nextAsk  time.Time
	askedAt  time.Time
	usedAt   time.Time // when the name was last known to be used
	wokenAt  time.Time // when it was last used again after idleness
	inFlight bool
	hinted   bool // a hint came since the last look-up began
	idle     bool // nobody makes calls
	unasked  bool // idle, and no look-up is planned
}

// New returns the entry of a name that was never asked for. It asks at once:
// its [Entry.NextAsk] is the zero time.
func New(cfg Config) *Entry {
	return &Entry{cfg: cfg.withDefaults(), period: firstPeriod}
}

// Records returns the set in use, sorted; nil if there is none. The slice never
// changes: share it, do not modify it.
func (e *Entry) Records() []Record { return e.published }

// NextAsk returns when to look up again, as the last step said it.
func (e *Entry) NextAsk() time.Time { return e.nextAsk }

// Asked notes that a look-up begins. It must be followed by one Answer or Fail
// before the next Asked.
func (e *Entry) Asked(now time.Time) {
	e.askedAt = now
	e.inFlight = true
	e.hinted, e.unasked = false, false
}

// Answer takes what a look-up brought, with a random r for the jitter.
func (e *Entry) Answer(now time.Time, r uint64, a Answer) Step {
	if len(a.Records) == 0 {
		return e.Fail(now, r, ErrEmpty)
	}
	e.inFlight = false
	e.failures, e.lastErr = 0, nil
	e.goodAt = now
	e.period = min(max(a.TTL, e.cfg.MinTTL), e.cfg.MaxTTL)

	early := scale(e.period/jitterDivisor, r)
	e.nextAsk = now.Add(max(e.cfg.MinTTL, e.period-early))
	why := "answer"
	if e.hinted {
		if at := e.hintAt(now, r); at.Before(e.nextAsk) {
			e.nextAsk, why = at, "answer, but a hint came while it was under way"
		} else {
			e.hinted = false
		}
	}
	if !e.merge(now, a) {
		return e.step(nil, why+": unchanged")
	}
	return e.step(e.published, why+": changed")
}

// Fail takes why a look-up brought nothing, with a random r for the backoff. It
// is the same for every reason: a server that says that the name does not
// exist is not believed more than one that says nothing, because both are how
// a broken or a restarting DNS looks.
func (e *Entry) Fail(now time.Time, r uint64, err error) Step {
	e.inFlight, e.hinted = false, false
	e.lastErr = err
	limit := min(e.cfg.BackoffMax, e.period)
	wait := policy.Backoff{Base: min(e.cfg.BackoffBase, limit), Max: limit}.Delay(e.failures, r)
	e.failures++
	e.nextAsk = now.Add(wait)
	switch {
	case len(e.held) == 0:
		return e.step(nil, "failed: there is no answer yet")
	case e.cfg.MaxStale > 0 && now.Sub(e.goodAt) >= e.cfg.MaxStale:
		e.held, e.published = nil, nil
		e.period = firstPeriod
		return e.step([]Record{}, "failed: the last good answer is too old")
	default:
		return e.step(nil, "failed: the last good answer stays")
	}
}

// Suspended notes that nobody will look up for a while, because nobody uses the
// name. What the first answer after that comes without is gone: it leaves at
// once. A look-up that is under way must be given up.
func (e *Entry) Suspended() {
	e.inFlight, e.hinted = false, false
	e.idle, e.unasked = false, false
	for i := range e.held {
		e.held[i].missed = true
	}
}

func (e *Entry) step(publish []Record, why string) Step {
	s := Step{Publish: publish, NextAsk: e.nextAsk, Idle: e.unasked, Why: why}
	if len(e.held) == 0 {
		s.Err = e.lastErr
	}
	return s
}

// ErrEmpty is what an answer without addresses counts as.
var ErrEmpty = errors.New("the answer has no addresses")
