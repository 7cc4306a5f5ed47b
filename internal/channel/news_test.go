package channel

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/surefoot-rpc/surefoot/contract"
	"github.com/surefoot-rpc/surefoot/internal/channel/discovery"
	"github.com/surefoot-rpc/surefoot/observe"
)

// What a slow observer is told stays in order; what is too much is counted.
func TestSlowObserverLosesNewsAndIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, err := contract.Compile(contract.Sources{})
		if err != nil {
			t.Fatal(err)
		}
		ch := New(Config{Ordinal: -1, Table: table, Random: func() uint64 { return 0 }})
		var problems []string
		ch.cfg.Observer = observe.Observer{Problem: func(err error) { problems = append(problems, err.Error()) }}
		release := make(chan struct{})
		var told []int
		ch.cfg.Observer.Discovery = func(observe.Discovery) { <-release }
		ch.discovered(discovery.Event{}) // which does not wait for its hook
		synctest.Wait()                  // it blocks, and has left the queue
		for i := range maxNews + 7 {
			ch.later(func() { told = append(told, i) })
		}
		close(release)
		synctest.Wait()
		if len(told) != maxNews || !slices.IsSorted(told) {
			t.Errorf("%d were told, in order %v; want the first %d", len(told), slices.IsSorted(told), maxNews)
		}
		if len(problems) != 1 || !strings.HasPrefix(problems[0], fmt.Sprintf("%d changes", 7)) {
			t.Errorf("problems: %q", problems)
		}
		ch.later(func() { told = nil })
		synctest.Wait()
		if told != nil {
			t.Error("nothing is told any more")
		}
	})
}
