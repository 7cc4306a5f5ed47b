package policy

import (
	"fmt"
	"math/bits"
	"time"
)

// A Backoff is an exponential wait with full jitter (Brooker, "Exponential
// Backoff And Jitter", AWS 2015): of all the jitters that he compares it makes
// the fewest calls for the time it takes. The zero Backoff does not wait.
type Backoff struct {
	// Base is the upper bound of the first wait.
	Base time.Duration
	// Max is the upper bound of every wait. Zero is Base.
	Max time.Duration
}

// Ceiling returns the upper bound of the n-th wait, the first being 0:
// min(Max, Base * 2^n).
func (b Backoff) Ceiling(n int) time.Duration {
	limit := max(b.Max, b.Base)
	if b.Base <= 0 || n < 0 {
		return 0
	}
	if n >= bits.LeadingZeros64(uint64(b.Base)) { // it overflows
		return limit
	}
	return min(limit, b.Base<<n)
}

// Delay returns the n-th wait, the first being 0, for the random number r:
// uniform in [0, Ceiling(n)].
func (b Backoff) Delay(n int, r uint64) time.Duration {
	hi, _ := bits.Mul64(r, uint64(b.Ceiling(n))+1)
	return time.Duration(hi)
}

func (b Backoff) validate(field string) []error {
	var errs []error
	if b.Base < 0 {
		errs = append(errs, &FieldError{field + ".base_ms", fmt.Sprintf("is %d; a time cannot be negative: set the bound of the first wait, 0 for none", b.Base.Milliseconds())})
	}
	if b.Max < 0 {
		errs = append(errs, &FieldError{field + ".max_ms", fmt.Sprintf("is %d; a time cannot be negative: set the bound of every wait", b.Max.Milliseconds())})
	}
	if b.Base > 0 && b.Max > 0 && b.Max < b.Base {
		errs = append(errs, &FieldError{field + ".max_ms", fmt.Sprintf("is %d, below base_ms of %d: raise it, or lower base_ms", b.Max.Milliseconds(), b.Base.Milliseconds())})
	}
	return errs
}
