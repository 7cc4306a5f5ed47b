package protocol

import "time"

// Flow counts calls and attempts by the beat in which they were begun.
type Flow []Begun

// Begun is what was begun in one beat since Go.From.
type Begun struct {
	Calls    int64 `json:"c"`
	Attempts int64 `json:"a"`
}

// at returns the entry of the beat that holds the time since Go.From; what is
// earlier belongs to the first.
func (f *Flow) at(since time.Duration) *Begun {
	beat := max(int(since/Beat), 0)
	for len(*f) <= beat {
		*f = append(*f, Begun{})
	}
	return &(*f)[beat]
}

func (f *Flow) merge(other Flow) {
	for i, b := range other {
		sum := f.at(time.Duration(i) * Beat)
		sum.Calls += b.Calls
		sum.Attempts += b.Attempts
	}
}

// Goodput counts the calls of a part of the run.
type Goodput struct {
	Calls int64 `json:"calls"`
	OK    int64 `json:"ok"`
}

func (g *Goodput) add(other Goodput) {
	g.Calls += other.Calls
	g.OK += other.OK
}
