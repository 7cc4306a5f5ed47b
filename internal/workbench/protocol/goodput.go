package protocol

// Goodput counts the calls of a part of the run.
type Goodput struct {
	Calls int64 `json:"calls"`
	OK    int64 `json:"ok"`
}

func (g *Goodput) add(other Goodput) {
	g.Calls += other.Calls
	g.OK += other.OK
}
