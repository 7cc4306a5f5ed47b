package attempt

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/policy"
)

const start = 1000 * time.Second

func at(d time.Duration) time.Duration { return start + d }

// pays takes all that b gives now and returns how much that was.
func pays(b *Budget, now time.Duration) (n int) {
	for b.Pay(now) {
		n++
	}
	return n
}

func TestBudgetAllowsARatioAndAFloor(t *testing.T) {
	for _, c := range []struct {
		ratio, perSecond int
		window           time.Duration
		calls, failed    int
		want             int
	}{
		{ratio: 20, window: 10 * time.Second, calls: 0, want: 0},
		{ratio: 20, window: 10 * time.Second, calls: 4, want: 0},
		{ratio: 20, window: 10 * time.Second, calls: 5, want: 1},
		{ratio: 20, window: 10 * time.Second, calls: 1000, want: 200},
		{ratio: 33, window: 10 * time.Second, calls: 100, want: 33},
		{ratio: 100, window: 10 * time.Second, calls: 7, want: 7},
		{ratio: 0, window: 10 * time.Second, calls: 1000, want: 0},
		{perSecond: 1, window: 10 * time.Second, want: 10},
		{perSecond: 3, window: 2 * time.Second, want: 6},
		{perSecond: 1, window: 1500 * time.Millisecond, want: 1},
		{ratio: 20, perSecond: 1, window: 10 * time.Second, calls: 1000, want: 210},
		// Half and half of one more: the two parts add up before they are cut.
		{ratio: 10, perSecond: 1, window: 1500 * time.Millisecond, calls: 5, want: 2},
		// More than half fail: the ratio stays, the floor does not.
		{ratio: 20, perSecond: 1, window: 10 * time.Second, calls: 100, failed: 100, want: 20},
		// Up to half may fail …
		{ratio: 0, perSecond: 1, window: 10 * time.Second, calls: 20, failed: 10, want: 10},
		// … and half of what there is by then: each repeat is an attempt too.
		{ratio: 0, perSecond: 1, window: 10 * time.Second, calls: 20, failed: 11, want: 0},
		// Four failures are no evidence, five are.
		{ratio: 0, perSecond: 1, window: 10 * time.Second, calls: 1, failed: 4, want: 10},
		{ratio: 0, perSecond: 1, window: 10 * time.Second, calls: 1, failed: 5, want: 0},
		// As much as a contract can say.
		{ratio: 100, perSecond: math.MaxInt32, window: time.Hour, calls: 0, failed: 5, want: 0},
	} {
		b := NewBudget(policy.Budget{RatioPercent: c.ratio, MinPerSecond: c.perSecond, Window: c.window}, start)
		for range c.calls {
			b.Call(start)
		}
		for range c.failed {
			b.Failed(start, false)
		}
		if got := pays(b, start); got != c.want {
			t.Errorf("%+v: paid %d", c, got)
		}
	}
}

func TestTheLargestFloorIsAFloor(t *testing.T) {
	b := NewBudget(policy.Budget{MinPerSecond: math.MaxInt32, Window: time.Hour}, start)
	if !b.Pay(start) {
		t.Error("the floor overflows")
	}
}

func TestTheZeroBudgetAllowsNothing(t *testing.T) {
	b := NewBudget(policy.Budget{}, start)
	b.Call(start)
	if b.Pay(start) {
		t.Error("paid")
	}
}

func TestWhatSlidesOutOfTheWindowEarnsNothingAndOwesNothing(t *testing.T) {
	b := NewBudget(policy.Budget{RatioPercent: 50, Window: 10 * time.Second}, start)
	for range 4 {
		b.Call(start)
	}
	if got := pays(b, start); got != 2 {
		t.Fatalf("at first: paid %d, want 2", got)
	}
	for range 2 {
		b.Call(at(5 * time.Second))
	}
	if got := pays(b, at(9999*time.Millisecond)); got != 1 {
		t.Errorf("six calls, two paid: paid %d more, want 1", got)
	}
	if got := pays(b, at(10*time.Second)); got != 0 {
		t.Errorf("two calls, one paid: paid %d more, want 0", got)
	}
	if got := pays(b, at(20*time.Second)); got != 0 {
		t.Errorf("no calls: paid %d, want 0", got)
	}
}

func TestTheFloorComesBackWhenFailuresAreForgotten(t *testing.T) {
	b := NewBudget(policy.Budget{MinPerSecond: 1, Window: 10 * time.Second}, start)
	for range 10 {
		b.Call(start)
		b.Failed(start, false)
	}
	if b.CanPay(at(9999 * time.Millisecond)) {
		t.Error("the floor is on while everything fails")
	}
	if got := pays(b, at(10*time.Second)); got != 10 {
		t.Errorf("paid %d once that is over, want 10", got)
	}
}

func TestAskingCostsNothing(t *testing.T) {
	b := NewBudget(policy.Budget{MinPerSecond: 1, Window: time.Second}, start)
	for range 3 {
		if !b.CanPay(start) {
			t.Fatal("the budget is gone before it was used")
		}
	}
	if got := pays(b, start); got != 1 {
		t.Errorf("paid %d, want 1", got)
	}
	if b.CanPay(start) {
		t.Error("an empty budget can pay")
	}
}

func TestManyCallsPayNoMoreThanThereIs(t *testing.T) {
	b := NewBudget(policy.Budget{RatioPercent: 20, Window: 10 * time.Second}, start)
	var paid atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				b.Call(start)
				if b.Pay(start) {
					paid.Add(1)
				}
				b.Failed(start, false)
			}
		})
	}
	wg.Wait()
	paid.Add(int64(pays(b, start)))
	if paid.Load() != 160 {
		t.Errorf("paid %d of 800 calls at 20 %%", paid.Load())
	}
}
