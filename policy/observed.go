package policy

import "time"

// An Observed is a time that follows what was seen lately: a factor of a
// quantile, within bounds. It replaces a fixed time, which holds while not enough
// is known. The zero Observed is off.
type Observed struct {
	// QuantilePermille is the quantile, 1 to 999: 990 is the time that 99 of a
	// hundred stayed below. Zero is off.
	QuantilePermille int
	// FactorPercent is what part of the quantile the time is, at least 100: less
	// would end what goes as it does always.
	FactorPercent int
	// Floor and Ceiling bound the time. Ceiling prevails; zero is the fixed time.
	Floor, Ceiling time.Duration
}

// On reports whether the time is observed at all.
func (o Observed) On() bool { return o.QuantilePermille > 0 }

// Time returns the time, for the quantile q, if it is known. fixed is the time
// that it replaces, zero for none.
func (o Observed) Time(fixed, q time.Duration, known bool) time.Duration {
	if !o.On() || !known {
		return fixed
	}
	d := max(time.Duration(float64(q)*float64(o.FactorPercent)/100), o.Floor)
	switch {
	case o.Ceiling > 0:
		return min(d, o.Ceiling)
	case fixed > 0:
		return min(d, fixed)
	default:
		return d
	}
}

// validate tells bad what of o cannot hold. fixed is the time that it replaces,
// in the field of this name.
func (o Observed) validate(bad func(field, format string, args ...any), prefix string, fixed time.Duration, fixedField string) {
	if q := o.QuantilePermille; q < 0 || q > 999 {
		bad(prefix+".quantile_permille", "is %d: set 1 to 999 of a thousand, or 0 for a fixed time", q)
	}
	if f := o.FactorPercent; f < 0 || o.On() && f < 100 || f > 1000 {
		bad(prefix+".factor_percent", "is %d: set 100 to 1000; less than the quantile would end what takes as long as always", f)
	}
	if o.Floor < 0 {
		bad(prefix+".floor_ms", "is %d; a time cannot be negative: set the least time, or 0 for none", o.Floor.Milliseconds())
	}
	if o.Ceiling < 0 {
		bad(prefix+".ceiling_ms", "is %d; a time cannot be negative: set the most time, or 0 for %s", o.Ceiling.Milliseconds(), fixedField)
	}
	if o.Ceiling > 0 && o.Floor > o.Ceiling {
		bad(prefix+".floor_ms", "is %d, above ceiling_ms, which is %d: lower it, or raise ceiling_ms", o.Floor.Milliseconds(), o.Ceiling.Milliseconds())
	}
	if o.On() && o.Ceiling == 0 && fixed <= 0 {
		bad(prefix+".ceiling_ms", "is not set, and neither is %s: set one, or the time would grow with that of a service that fails", fixedField)
	}
}
