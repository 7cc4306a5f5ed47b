package policy

import (
	"errors"
	"fmt"
	"time"
)

// A Picker names how an endpoint is chosen for an attempt.
type Picker uint8

// The pickers. RoundRobin is the zero value.
const (
	// RoundRobin gives each endpoint its turn, by weight.
	RoundRobin Picker = iota
	// LeastRequest compares the attempts in flight of a few random endpoints.
	LeastRequest
	// PeakEWMA compares the expected wait at two random endpoints.
	PeakEWMA
	// ConsistentHash sends the same key to the same endpoint.
	ConsistentHash
)

// A Balance says how attempts are spread over the endpoints. It is comparable.
type Balance struct {
	Picker Picker
	// Choices is how many endpoints LeastRequest compares.
	Choices int
	// HashHeader is the header whose value is the key of ConsistentHash. Empty:
	// the caller gives the key.
	HashHeader string
	// HashMaxLoadPercent bounds the load of an endpoint relative to the mean
	// under ConsistentHash. Zero is no bound.
	HashMaxLoadPercent int
	// SubsetSize is the most endpoints that a client uses. Zero is no bound.
	SubsetSize int
	// SlowStart is how long an endpoint takes to its full share. Zero is off.
	SlowStart time.Duration
	// PanicPercent of the endpoints must be usable, or ejected ones are used too.
	PanicPercent int
	// OverprovisioningPercent says for how long the own zone is preferred. Zero
	// is off.
	OverprovisioningPercent int
	Ejection                Ejection
}

func (b Balance) validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{Field: "balance." + field, Problem: fmt.Sprintf(format, args...)})
	}
	if b.Picker == LeastRequest && (b.Choices < 2 || b.Choices > 10) {
		bad("least_request.choices", "is %d: set how many endpoints are compared, 2 to 10", b.Choices)
	}
	if b.HashMaxLoadPercent != 0 && b.HashMaxLoadPercent <= 100 {
		bad("consistent_hash.max_load_percent", "is %d, and 100 is the mean: set more than 100, such as 125, or 0 for no bound", b.HashMaxLoadPercent)
	}
	if !isHeader(b.HashHeader) {
		bad("consistent_hash.header", "is %q: set the name of a header in lower case, of letters, digits and -_. , or remove it and give the key with call.WithHashKey", b.HashHeader)
	}
	if b.SubsetSize < 0 {
		bad("subset.size", "is %d; a number of endpoints cannot be negative: set 0 for no bound", b.SubsetSize)
	}
	if b.SlowStart < 0 {
		bad("slow_start_ms", "is %d; a time cannot be negative: set 0 for none", b.SlowStart.Milliseconds())
	}
	if b.PanicPercent < 0 || b.PanicPercent > 100 {
		bad("panic_percent", "is %d: set 0 to 100 of a hundred endpoints", b.PanicPercent)
	}
	if p := b.OverprovisioningPercent; p != 0 && p < 100 {
		bad("locality.overprovisioning_percent", "is %d, below 100, which would send calls away while the own zone is whole: set 100 or more, or 0 for off", p)
	}
	return errors.Join(errs...)
}

// isHeader reports whether s can be the name of a header of a call. Empty is
// none.
func isHeader(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// A Discovery says how long what a name server answered is used. The zero
// Discovery is the resolver's own defaults.
type Discovery struct {
	// MinTTL and MaxTTL clamp the time for which an answer is used. Zero is 1 s
	// and 5 min.
	MinTTL, MaxTTL time.Duration
	// MaxStale is how long the last good answer is used while none follows. Zero
	// is for ever.
	MaxStale time.Duration
}

func (d Discovery) validate() error {
	var errs []error
	for _, f := range []struct {
		name string
		is   time.Duration
	}{{"min_ttl_ms", d.MinTTL}, {"max_ttl_ms", d.MaxTTL}, {"max_stale_ms", d.MaxStale}} {
		if f.is < 0 {
			errs = append(errs, &FieldError{"discovery." + f.name, fmt.Sprintf("is %d; a time cannot be negative: remove it for the default", f.is.Milliseconds())})
		}
	}
	if d.MinTTL > 0 && d.MaxTTL > 0 && d.MaxTTL < d.MinTTL {
		errs = append(errs, &FieldError{"discovery.max_ttl_ms", fmt.Sprintf("is %d, below min_ttl_ms of %d: raise it", d.MaxTTL.Milliseconds(), d.MinTTL.Milliseconds())})
	}
	return errors.Join(errs...)
}
