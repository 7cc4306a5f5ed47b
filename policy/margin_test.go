package policy_test

import (
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/policy"
)

func TestAHopKeepsItsMarginOrATenth(t *testing.T) {
	for _, c := range []struct{ margin, left, want time.Duration }{
		{20 * ms, time.Second, 980 * ms},
		{20 * ms, 201 * ms, 181 * ms},
		{20 * ms, 200 * ms, 180 * ms},
		{20 * ms, 100 * ms, 90 * ms},
		{20 * ms, 10 * ms, 9 * ms},
		{20 * ms, 9, 9},
		{20 * ms, 0, 0},
		{20 * ms, -ms, -ms + ms/10},
		{0, time.Second, time.Second},
		{time.Hour, time.Second, 900 * ms},
	} {
		if got := (policy.Method{DeadlineMargin: c.margin}).PassOn(c.left); got != c.want {
			t.Errorf("%v left, margin %v: passes on %v, want %v", c.left, c.margin, got, c.want)
		}
	}
}

// However many hops there are, each gets some time, and less than the one above.
func TestEachHopHasLessTime(t *testing.T) {
	m := policy.Method{DeadlineMargin: 20 * ms}
	left := 300 * ms
	for hop := range 20 {
		next := m.PassOn(left)
		if next >= left || next < left*9/10 {
			t.Fatalf("hop %d passes on %v of %v", hop, next, left)
		}
		left = next
	}
}
