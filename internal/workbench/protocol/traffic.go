package protocol

import "time"

// Beat is the resolution at which attempts are counted over time.
const Beat = 100 * time.Millisecond

// Streams counts attempts by the address to which they went, in each beat
// since Go.From.
type Streams map[string][]int64

// add counts one attempt.
func (s Streams) add(address string, beat int) {
	beats := s[address]
	for len(beats) <= beat {
		beats = append(beats, 0)
	}
	beats[beat]++
	s[address] = beats
}

func (s Streams) merge(other Streams) {
	for address, beats := range other {
		sum := s[address]
		for len(sum) < len(beats) {
			sum = append(sum, 0)
		}
		for i, n := range beats {
			sum[i] += n
		}
		s[address] = sum
	}
}

// Between sums the attempts in the beats that begin within [from, to) after
// Go.From, by address.
func (s Streams) Between(from, to time.Duration) map[string]int64 {
	sums := map[string]int64{}
	first, end := max(int((from+Beat-1)/Beat), 0), int((to+Beat-1)/Beat)
	for address, beats := range s {
		for i := first; i < min(end, len(beats)); i++ {
			sums[address] += beats[i]
		}
	}
	return sums
}

// Closed is a connection that ended in the measured part of the run.
type Closed struct {
	Address string  `json:"address"` // of its other end
	Server  string  `json:"server"`  // that answered on it last; "" when none did
	At      Instant `json:"at"`
}

// Key says who answered the calls of a key, by the name of the server.
type Key map[string]Stay

// Stay is a server's time with a key.
type Stay struct {
	First Instant `json:"first"` // when the first of the calls it answered was issued
	Last  Instant `json:"last"`
}

func (k Key) add(server string, first, last Instant) {
	if stay, known := k[server]; known {
		first, last = min(stay.First, first), max(stay.Last, last)
	}
	k[server] = Stay{first, last}
}
