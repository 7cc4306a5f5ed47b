package balance

// peakEWMA compares two random endpoints and picks the one with the lower
// expected wait, latency × (inFlight·mean/weight + 1) (Finagle's Peak EWMA by
// power of two choices, which linkerd2-proxy has too).
//
// In-flight attempts alone decide, as in leastRequest, where one of the two is
// unknown (new, or nothing measured for ten seconds): it gets its share and no
// more, and as long as it does not answer it holds no more attempts than the
// others do. So they do where the latencies are alike, or a quiet fleet would
// send everything to whoever is fastest by a hair. Endpoints are drawn by
// weight, as in leastRequest.
type peakEWMA struct {
	sampler

	mean float32 // of the weights
}

// alike is the ratio up to which two latencies are no reason for a choice.
const alike = 1.25

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
	if p.better(p.entries[chosen[1]], p.entries[chosen[0]], r.Now) {
		return chosen[1]
	}
	return chosen[0]
}

// better reports whether a is clearly the better choice.
func (p *peakEWMA) better(a, b Entry, now int64) bool {
	slowA, slowB := a.latency.at(now), b.latency.at(now)
	unknown := slowA == 0 || slowB == 0
	if unknown || slowA <= slowB*alike && slowB <= slowA*alike {
		return lighter(a, b)
	}
	return slowA*p.load(a) < slowB*p.load(b)
}

// load returns how many attempts e holds, in terms of an endpoint of mean
// weight, and one more.
func (p *peakEWMA) load(e Entry) float32 {
	return float32(max(e.InFlight(), 0))*p.mean/float32(e.weight()) + 1
}

func (p *peakEWMA) Fresh(r Request) bool { return r.isFresh(p.entries) }
