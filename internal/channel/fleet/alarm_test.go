package fleet

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A timer that fires while the fleet is busy putting the alarm off does not ring
// it early.
func TestAnAlarmThatWasPutOffDoesNotRingBeforeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fleetBalancer{fleet: &Fleet{cfg: Config{Epoch: time.Now().Add(-1)}}}
		var a alarm
		var rang []time.Duration
		ring := func() { rang = append(rang, b.fleet.clock()-1) }
		heard := func() []time.Duration {
			b.mu.Lock()
			defer b.mu.Unlock()
			return slices.Clone(rang)
		}
		set := func(d time.Duration) {
			b.mu.Lock()
			defer b.mu.Unlock()
			a.stop()
			a.in(b, d, ring)
		}
		set(time.Second)
		set(time.Minute)
		a.ring(b, ring) // as the timer of the first does if it was too late to stop it
		if got := heard(); len(got) != 0 {
			t.Fatalf("rang after %v", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := heard(); !slices.Equal(got, []time.Duration{time.Minute}) {
			t.Errorf("rang after %v, want once after 1m", got)
		}
	})
}
