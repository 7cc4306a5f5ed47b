package outcome

// A Timing is what the time that something took says of how long such things
// take.
type Timing uint8

const (
	// Untimed says nothing: what fails fast is not fast.
	Untimed Timing = iota
	// Took says that it takes this long.
	Took
	// AtLeast says that it takes this long or longer.
	AtLeast
)

// Timing returns what the time of an attempt, or a call, with this verdict says.
// superseded says that it was abandoned because another attempt had ended the
// call. (Finagle's BackupRequestFilter counts the same.)
func (v Verdict) Timing(superseded bool) Timing {
	switch {
	case v == Success, v == Answer:
		return Took
	case v == Timeout, v == Expired, v == Abandoned && superseded:
		return AtLeast
	default:
		return Untimed
	}
}
