package dns

import "fmt"

// A Kind says in what way a look-up failed.
type Kind uint8

// The ways in which a look-up fails.
const (
	// BadName: the name cannot be asked for at all.
	BadName Kind = iota + 1
	// Timeout: no reply in time.
	Timeout
	// Network: the server cannot be reached.
	Network
	// ServFail: the server says that it failed (RFC 1035 §4.1.1, RCODE 2), or
	// answers in a way that is not meant for a client like us (a lame referral,
	// NOTIMP, FORMERR and so on).
	ServFail
	// Refused: the server does not answer us (RCODE 5).
	Refused
	// Malformed: the reply breaks the protocol, a limit of ours, or has an alias
	// that leads back to itself.
	Malformed
	// NXDomain: the name does not exist (RCODE 3).
	NXDomain
	// NoData: the name exists without an address, or a service, that can be used.
	NoData
)

// String returns the field's name of k.
func (k Kind) String() string {
	switch k {
	case BadName:
		return "bad name"
	case Timeout:
		return "timeout"
	case Network:
		return "network error"
	case ServFail:
		return "SERVFAIL"
	case Refused:
		return "REFUSED"
	case Malformed:
		return "malformed reply"
	case NXDomain:
		return "NXDOMAIN"
	case NoData:
		return "no addresses"
	default:
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
}

// final reports whether another server would say the same.
func (k Kind) final() bool { return k == NXDomain || k == NoData || k == BadName }

// An Error says why a look-up brought no addresses. Find it with errors.As.
type Error struct {
	// Kind is in what way it failed.
	Kind Kind
	// Name is what was asked for, Type the record type ("A", "AAAA", "SRV"), "" if it
	// did not come to that.
	Name, Type string
	// Server is who was asked last, "" if nobody was.
	Server string
	// Detail says more, "" if there is nothing to say.
	Detail string
	// Err is the cause, nil if the server's reply is all there is.
	Err error
}

// Error returns one line that names the question, the server and what happened.
func (e *Error) Error() string {
	s := fmt.Sprintf("dns: look up %q", e.Name)
	if e.Type != "" {
		s += " " + e.Type
	}
	if e.Server != "" {
		s += " at " + e.Server
	}
	s += ": " + e.Kind.String()
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause, nil if there is none.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether the look-up failed for want of a reply.
func (e *Error) Timeout() bool { return e.Kind == Timeout }
