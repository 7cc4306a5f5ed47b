package policy_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/policy"
)

func TestTimesGrowWithTheRequest(t *testing.T) {
	const us = time.Microsecond
	for _, c := range []struct {
		name                string
		base, perKiB, limit time.Duration
		size                int
		want                time.Duration
	}{
		{"nothing is said", 0, 0, 0, 1 << 20, 0},
		{"a base alone", time.Second, 0, 0, 1 << 20, time.Second},
		{"an empty request", time.Second, 500 * us, 0, 0, time.Second},
		{"less than a KiB", time.Second, 500 * us, 0, 1023, time.Second},
		{"one KiB", time.Second, 500 * us, 0, 1024, time.Second + 500*us},
		{"less than two", time.Second, 500 * us, 0, 2047, time.Second + 500*us},
		{"4 MiB", time.Second, 500 * us, 0, 4 << 20, time.Second + 2048*ms},
		{"no base", 0, 500 * us, 0, 4 << 20, 0},
		{"a limit above", time.Second, 500 * us, 5 * time.Second, 4 << 20, time.Second + 2048*ms},
		{"a limit between", time.Second, 500 * us, 2 * time.Second, 4 << 20, 2 * time.Second},
		{"a limit below the base", time.Second, 500 * us, 10 * ms, 4 << 20, 10 * ms},
		{"a limit alone", 0, 500 * us, 10 * ms, 4 << 20, 0},
		{"a size that nobody has", time.Second, 500 * us, 0, -5000, time.Second},
		{"too long to be told", time.Second, time.Hour, 0, math.MaxInt, math.MaxInt64},
	} {
		if got := policy.Sized(c.base, c.perKiB, c.limit, c.size); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// The same in numbers that do not overflow.
func TestSizedIsItsFormula(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		base, perKiB := rnd.Int64()>>rnd.IntN(64), rnd.Int64()>>rnd.IntN(64)
		size := int(rnd.Int64() >> rnd.IntN(64))
		want := new(big.Int).Mul(big.NewInt(perKiB), big.NewInt(int64(size/1024)))
		want.Add(want, big.NewInt(base))
		switch {
		case base == 0:
			want.SetInt64(0)
		case !want.IsInt64():
			want.SetInt64(math.MaxInt64)
		}
		if got := policy.Sized(time.Duration(base), time.Duration(perKiB), 0, size); int64(got) != want.Int64() {
			t.Fatalf("%d + %d per KiB of %d: %d, want %v", base, perKiB, size, got, want)
		}
	}
}

func TestTheSizeMattersOnlyWhereItIsAskedFor(t *testing.T) {
	for _, c := range []struct {
		m    policy.Method
		want bool
	}{
		{policy.Method{Deadline: time.Second, AttemptTimeout: ms}, false},
		{policy.Method{Deadline: time.Second, DeadlinePerKiB: 1}, true},
		{policy.Method{Deadline: time.Second, AttemptTimeoutPerKiB: 1}, true},
	} {
		if got := c.m.DependsOnSize(); got != c.want {
			t.Errorf("%+v: %v, want %v", c.m, got, c.want)
		}
	}
}
