package channel

import (
	"fmt"
	"testing"

	"github.com/surefoot-rpc/surefoot/contract"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
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
	var m methods
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

func TestNamesThatNobodyKnowsFillNoTable(t *testing.T) {
	var m methods
	m.use(tableOf(t, 1000))
	for i := range 100 {
		m.lookup(fmt.Sprintf("/made.up.Service%d/Method", i), func(error) {})
	}
	if n := len(m.now.Load().byName); n != 0 || len(m.learnt) != 1 {
		t.Errorf("%d methods, %d learnt", n, len(m.learnt))
	}
}
