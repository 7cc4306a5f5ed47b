// Package ejection decides which endpoints are taken out of balancing because
// they fail or are slow, when they are tried again, and how they come back.
//
// It follows Envoy's outlier detection and gRFC A50 in what it looks at
// (failures in a row, rate of failures against the peers, exponential time out,
// a cap on the share) and differs where those hurt: evidence is a verdict, so
// that NOT_FOUND and our own cancellations eject nobody (grpc-go counts both);
// latency is compared as well; an endpoint comes back through a few trials and
// a ramp, and not at once; and every comparison asks whether chance could have
// done it, so that a window of ten attempts is enough to eject and not enough
// to be ejected by bad luck.
//
// Who calls what:
//
//   - [Record.Add] whenever an attempt ends, on the goroutine of the call. It
//     costs two loads and one atomic addition. If it returns true, a Sweep is
//     to run soon; many of these may come at once and one Sweep answers all.
//   - [Record.Out] and [Record.Weight] in a pick: one atomic load. A picker
//     passes over endpoints that are out, unless no other is left.
//   - [Record.TakeTrial] in a pick, before the balancing proper, for one
//     endpoint of those that are out: if it grants, the attempt goes there.
//     [Record.TrialDue] says beforehand whether it may.
//   - [Fleet.Sweep] on the one goroutine that owns the channel's endpoints:
//     when Add asks for it, when the endpoints have changed, and when the time
//     that the last Sweep returned has come.
//
// A Record lives as long as its endpoint is known: it survives pickers, lost
// connections and new resolver answers, and is dropped with the endpoint.
//
// Times are durations since any one moment that the driver chose, above zero.
package ejection

// A State is where an endpoint stands.
type State uint8

const (
	// In has its full share of the traffic.
	In State = iota
	// Ejected has none.
	Ejected
	// OnTrial has the trial attempts that [Record.TakeTrial] grants.
	OnTrial
	// Returning has a share that grows to the full one.
	Returning
)

var stateNames = [...]string{In: "in", Ejected: "ejected", OnTrial: "on trial", Returning: "returning"}

// String returns the state's words.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return ""
}

// out reports whether balancing passes over an endpoint in this state.
func (s State) out() bool { return s == Ejected || s == OnTrial }

// A Change is what a Sweep decided about one endpoint.
type Change struct {
	// Index is the endpoint's place in the records that Sweep was given.
	Index    int
	From, To State
	// Why says what it was decided from, for people.
	Why string
}
