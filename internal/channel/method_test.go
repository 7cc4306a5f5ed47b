package channel

import (
	"fmt"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/contract"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/channel/timeouts"
)

func tableOf(t *testing.T, deadlineMS int64) *contract.Table {
	t.Helper()
	table, err := contract.Compile(contract.Sources{Contracts: []*surefootv1.Contract{{
		ServiceName: "shop.v1.Shop",
		Methods:     map[string]*surefootv1.MethodContract{"Get": {Method: &surefootv1.Method{DeadlineMs: &deadlineMS}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestWhatWasLearntOfAMethodOutlivesItsPolicies(t *testing.T) {
	m := methods{channel: &Channel{timeouts: timeouts.New(time.Now())}}
	m.use(tableOf(t, 1000))
	nothing := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	before := m.lookup("/shop.v1.Shop/Get", nothing)
	if again := m.lookup("/shop.v1.Shop/Get", nothing); again != before {
		t.Error("a method is made twice")
	}
	m.use(tableOf(t, 2000))
	after := m.lookup("/shop.v1.Shop/Get", nothing)
	if before.Unary.Deadline == after.Unary.Deadline || before.learnt != after.learnt {
		t.Errorf("%v and %v, learnt %p and %p", before.Unary.Deadline, after.Unary.Deadline, before.learnt, after.learnt)
	}
}

// A method that nobody knows has a breaker of its own, until there are so many
// that somebody must make them up.
func TestNamesThatNobodyKnowsFillNoTable(t *testing.T) {
	m := methods{channel: &Channel{timeouts: timeouts.New(time.Now())}}
	m.use(tableOf(t, 1000))
	name := func(i int) string { return fmt.Sprintf("/made.up.Service%d/Method", i) }
	find := func(i int) *method { return m.lookup(name(i), func(error) {}) }
	first := find(0)
	for i := range 2 * maxStrangers {
		find(i)
	}
	if n := len(m.now.Load().byName); n != maxStrangers || len(m.learnt) != maxStrangers {
		t.Errorf("%d methods, %d learnt", n, len(m.learnt))
	}
	if first.guard == nil || find(1).guard == first.guard || find(maxStrangers).guard != nil {
		t.Error("the first have breakers of their own, and the rest none")
	}
	m.use(tableOf(t, 2000))
	if again := find(0); again == first || again.learnt != first.learnt || find(maxStrangers).guard != nil {
		t.Error("other policies change who is known")
	}
	if known := m.lookup("/shop.v1.Shop/Get", func(error) {}); known.guard == nil {
		t.Error("a method of the contract has no room")
	}
}

// An override of a service that nobody knows holds for whatever names its callers
// make up, and does not let them fill the tables.
func TestNamesThatAnOverrideCoversFillNoTable(t *testing.T) {
	table, err := contract.Compile(contract.Sources{Overrides: &contract.Overrides{List: []*surefootv1.Override{{
		Methods: new("made.up.Service/*"), Set: &surefootv1.Method{DeadlineMs: new(int64(77))},
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	m := methods{channel: &Channel{timeouts: timeouts.New(time.Now())}}
	m.use(table)
	for i := range 2 * maxStrangers {
		found := m.lookup(fmt.Sprintf("/made.up.Service/Method%d", i), func(error) {})
		if got := found.Unary.Deadline; got != 77*time.Millisecond {
			t.Fatalf("the deadline of method %d is %v", i, got)
		}
	}
	if n := len(m.now.Load().byName); n != maxStrangers || len(m.learnt) != maxStrangers {
		t.Errorf("%d methods, %d learnt", n, len(m.learnt))
	}
}
