package protocol

import "maps"

// Writes is what became of the calls that change something and failed, and whether
// their errors tell it. A write was sent when its headers have left, in any attempt.
type Writes struct {
	Sent       int64           `json:"sent"`       // failed, and were sent
	Unsent     int64           `json:"unsent"`     // failed, and were not
	Overstated int64           `json:"overstated"` // were not sent, and the error says that they may have been applied
	Silent     map[string]bool `json:"silent"`     // those, by name, whose error does not say so: whether they were sent
}

// add counts a call that ended.
func (w *Writes) add(o Outcome) {
	if !o.Write || o.Code == "OK" {
		return
	}
	if o.Sent {
		w.Sent++
	} else {
		w.Unsent++
	}
	switch {
	case !o.Says:
		if w.Silent == nil {
			w.Silent = map[string]bool{}
		}
		w.Silent[o.Name] = o.Sent
	case !o.Sent:
		w.Overstated++
	}
}

// merge adds other up.
func (w *Writes) merge(other Writes) {
	w.Sent += other.Sent
	w.Unsent += other.Unsent
	w.Overstated += other.Overstated
	if w.Silent == nil && other.Silent != nil {
		w.Silent = map[string]bool{}
	}
	maps.Copy(w.Silent, other.Silent)
}
