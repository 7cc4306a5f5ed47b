package fleet

import "sync"

// readiness is what calls wait for while no endpoint is ready. Whether one is
// they see from the picker in use.
type readiness struct {
	mu      sync.Mutex
	changed chan struct{} // closed when an endpoint is ready; nil while nobody waits
	err     error         // why the last connect, or look-up, failed
}

// note notes why no endpoint is ready.
func (r *readiness) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

// noteFirst notes it if nothing else is known.
func (r *readiness) noteFirst(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
}

// ready wakes those who wait: an endpoint is ready.
func (r *readiness) ready() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = nil
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// watch returns what is closed when an endpoint is ready.
func (r *readiness) watch() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.changed
}

func (r *readiness) why() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		return "the first connects, or the look-up of its name, are still going on"
	}
	return r.err.Error()
}
