package policy_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/policy"
)

const ms = time.Millisecond

func TestTheCeilingDoublesUpToItsLimit(t *testing.T) {
	b := policy.Backoff{Base: 25 * ms, Max: time.Second}
	for n, want := range []time.Duration{25 * ms, 50 * ms, 100 * ms, 200 * ms, 400 * ms, 800 * ms, time.Second, time.Second} {
		if got := b.Ceiling(n); got != want {
			t.Errorf("wait %d: %v, want %v", n, got, want)
		}
	}
}

func TestAMaxOfZeroIsTheBase(t *testing.T) {
	b := policy.Backoff{Base: 25 * ms}
	for _, n := range []int{0, 1, 9} {
		if got := b.Ceiling(n); got != 25*ms {
			t.Errorf("wait %d: %v", n, got)
		}
	}
}

func TestNoBackoffDoesNotWait(t *testing.T) {
	for _, b := range []policy.Backoff{{}, {Max: time.Second}, {Base: -1, Max: time.Second}} {
		for _, r := range []uint64{0, math.MaxUint64} {
			if got := b.Delay(3, r); got != 0 {
				t.Errorf("%+v: %v", b, got)
			}
		}
	}
	if got := (policy.Backoff{Base: time.Second}).Ceiling(-1); got != 0 {
		t.Errorf("wait -1: %v", got)
	}
}

// randomTimes are small, usual and as large as a Duration can be.
func randomTime(rnd *rand.Rand) time.Duration {
	return time.Duration(rnd.Uint64()>>1) >> rnd.IntN(63)
}

func TestTheCeilingIsExactAndNeverOverflows(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		b := policy.Backoff{Base: randomTime(rnd), Max: randomTime(rnd)}
		n := rnd.IntN(80)
		want := new(big.Int).Lsh(big.NewInt(int64(b.Base)), uint(n))
		if limit := big.NewInt(int64(max(b.Max, b.Base))); want.Cmp(limit) > 0 {
			want = limit
		}
		if got := b.Ceiling(n); want.Cmp(big.NewInt(int64(got))) != 0 {
			t.Fatalf("%+v, wait %d: %v, want %v", b, n, got, want)
		}
	}
}

func TestADelayIsBetweenZeroAndTheCeiling(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		b := policy.Backoff{Base: randomTime(rnd), Max: randomTime(rnd)}
		n := rnd.IntN(80)
		ceiling := b.Ceiling(n)
		if got := b.Delay(n, rnd.Uint64()); got < 0 || got > ceiling {
			t.Fatalf("%+v, wait %d: %v, above %v", b, n, got, ceiling)
		}
		if got := b.Delay(n, 0); got != 0 {
			t.Fatalf("%+v, wait %d: the least is %v", b, n, got)
		}
		if got := b.Delay(n, math.MaxUint64); got != ceiling {
			t.Fatalf("%+v, wait %d: the most is %v, want %v", b, n, got, ceiling)
		}
	}
}

// Even dice make even delays: each of the values has its share of the dice.
func TestDelaysAreUniform(t *testing.T) {
	b := policy.Backoff{Base: 9} // 0 to 9 nanoseconds
	const rolls = 100_000
	var got [10]int
	for i := range uint64(rolls) {
		got[b.Delay(0, i*(math.MaxUint64/rolls))]++
	}
	for d, n := range got {
		if n < rolls/10-1 || n > rolls/10+1 {
			t.Errorf("%d ns: %d of %d", d, n, rolls)
		}
	}
}
