package breaker

// The word is all that Allow needs to know of a circuit that is closed: in its
// upper half the epoch, which changes with the state, in its lower half these
// flags.
const (
	stateMask = 3
	counting  = 4  // results are counted: some rule needs them
	pressing  = 8  // the window holds refusals, or calls that were held back
	dry       = 16 // nothing is denied
	limited   = 32 // calls in flight are counted
)

// publish writes the word. It is called with mu held, or before anyone else
// has b.
func (b *Breaker) publish() {
	w := uint64(b.epoch)<<32 | uint64(b.state)
	if b.policy.Trips() || b.policy.Throttles() {
		w |= counting
	}
	if b.pressed && b.policy.Throttles() {
		w |= pressing
	}
	if b.policy.DryRun {
		w |= dry
	}
	if b.limit.Load() > 0 {
		w |= limited
	}
	if w != b.word.Load() {
		b.word.Store(w)
	}
}

// State returns the state of the circuit. An open one becomes half-open with
// the first call after its time, and not by itself.
func (b *Breaker) State() State { return State(b.word.Load() & stateMask) }
