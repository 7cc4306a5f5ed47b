package channel_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/observe"
)

// hungFound hangs the first server while a call is made in each interval, and
// reports what is wrong with how that goes on: no call fails, and the first attempt
// on the hung server is the last one that begins later than a second after it.
func (w *world) hungFound(interval, lasting time.Duration) {
	w.t.Helper()
	w.warm()
	w.steadily(interval, 10*interval)
	w.servers[0].hang()
	w.forget()
	if n := w.steadily(interval, lasting); n > 0 {
		w.t.Errorf("%d calls failed", n)
	}
	_, attempts := w.seen()
	attempts = slices.DeleteFunc(slices.Clone(attempts), func(a observe.Attempt) bool { return a.Endpoint != "a" })
	slices.SortFunc(attempts, func(a, b observe.Attempt) int { return a.Start.Compare(b.Start) })
	if len(attempts) == 0 {
		w.t.Error("no attempt was made on the hung server")
	}
	for _, a := range attempts {
		if late := a.Start.Sub(attempts[0].Start); late > time.Second {
			w.t.Errorf("an attempt on the hung server %v after the first: %s", late, a.Verdict)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.ContainsFunc(w.changes, func(c observe.EndpointChange) bool { return c.To == "condemned" }) {
		w.t.Errorf("nobody was condemned: %+v", w.changes)
	}
}

// Calls are rare: one in two seconds. Whoever pays the attempt timeout on a hung
// server is the only one: that nothing was read since is looked into after the
// attempt has ended, too.
func TestRareCallsFindAHungServer(t *testing.T) {
	for _, timeout := range []int64{50, 400, 2000} {
		for _, n := range []int{2, 5} {
			t.Run(fmt.Sprintf("%d servers, attempts of %d ms", n, timeout), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, n, nil, contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: &surefootv1.Method{
						AttemptTimeoutMs: new(timeout),
					}}}, nil))
					defer w.close()
					w.hungFound(2*time.Second, 2*time.Minute)
				})
			})
		}
	}
}

// A hedge is faster than a server that hangs, and ends the attempt on it. It owes
// a sign of life nevertheless.
func TestHedgesDoNotHideAHungServer(t *testing.T) {
	for _, interval := range []time.Duration{5 * time.Millisecond, 30 * time.Millisecond, 2 * time.Second} {
		t.Run(fmt.Sprint("a call in ", interval), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 5, nil, hedging(nil))
				defer w.close()
				w.hungFound(interval, max(10*time.Second, 60*interval))
			})
		})
	}
}

// All servers are well, one answer in ten is slower than a hedge, and calls are rare,
// so that nothing else is read from a connection on which a hedge was faster. It is
// asked, and left in peace.
func TestHedgesOfRareCallsCondemnNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var st stage
		st.play = func(ctx context.Context, n int64, s *server) (*inventoryv1.GetResponse, error) {
			if n%10 == 0 {
				return st.answer(ctx, s, 10*hedgeDelay)
			}
			return st.answer(ctx, s, hedgeDelay/4)
		}
		w := newWorld(t, 5, st.setup, hedging(nil))
		defer w.close()
		w.warm()
		for range 300 {
			if _, err := w.stub.Get(t.Context(), it); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		told := make(map[string]int)
		for _, c := range w.changes {
			told[c.To]++
		}
		if told["suspect"] == 0 || told["suspect"] > 30 || told["condemned"]+told["ejected"] > 0 {
			t.Errorf("%v, want some suspicions, one for each lost attempt at most, and no more", told)
		}
	})
}
