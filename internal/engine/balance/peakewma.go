package balance

// peakEWMA compares two random endpoints and picks the one with the lower
// expected wait, latency × (inFlight·mean/weight + 1) (Finagle's Peak EWMA by
// power of two choices, which linkerd2-proxy has too).
//
// Where one of the two is unknown (new, or nothing measured for ten seconds),
// in-flight attempts alone decide: it gets its share and no more, and as long
// as it does not answer it holds no more attempts than the others do.
// Endpoints are drawn by weight, as in leastRequest.
type peakEWMA struct {
	sampler

	mean float32 // of the weights
}

// NewPeakEWMA returns a picker that prefers fast endpoints. It keeps entries,
// which must not be changed afterwards.
func NewPeakEWMA(entries []Entry) Picker {
	s := newSampler(entries)
	return &peakEWMA{s, float32(s.sum) / float32(max(len(entries), 1))}
}

func (p *peakEWMA) Pick(r Request) int {
	var chosen [2]int
	switch p.choose(&r, chosen[:]) {
	case 0:
		return -1
	case 1:
		return chosen[0]
	}
	a, b := p.entries[chosen[0]], p.entries[chosen[1]]
	slowA, slowB := a.latency.at(r.Now), b.latency.at(r.Now)
	if slowA == 0 || slowB == 0 {
		if lighter(b, a) {
			return chosen[1]
		}
		return chosen[0]
	}
	if slowB*p.load(b) < slowA*p.load(a) {
		return chosen[1]
	}
	return chosen[0]
}

// load returns how many attempts e holds, in terms of an endpoint of mean
// weight, and one more.
func (p *peakEWMA) load(e Entry) float32 {
	return float32(max(e.InFlight(), 0))*p.mean/float32(e.weight()) + 1
}

func (p *peakEWMA) Fresh(r Request) bool { return r.isFresh(p.entries) }
