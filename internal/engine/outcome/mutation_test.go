package outcome

import (
	"slices"
	"testing"

	"github.com/surefoot-rpc/surefoot/policy"
)

// A change of what follows from any verdict fails a test: each field of each row
// is changed to each of its other values, and the tests of this package are asked.
func TestAChangeOfAnyRowIsNoticed(t *testing.T) {
	if len(followsWrongly())+len(saysWrongly()) > 0 {
		t.Fatal("the rows are wrong before they are changed")
	}
	changes := 0
	try := func(what string, v Verdict, change func(*row)) {
		was := rows[v]
		defer func() { rows[v] = was }()
		change(&rows[v])
		if rows[v] == was {
			return
		}
		changes++
		if len(followsWrongly())+len(saysWrongly()) == 0 {
			t.Errorf("%s of %v changed, and no test fails", what, v)
		}
	}
	for v := Success; v <= Answer; v++ {
		try("name", v, func(r *row) { r.name += "s" })
		try("all", v, func(r *row) { *r = row{} })
		try("same", v, func(r *row) { r.same = !r.same })
		try("free", v, func(r *row) { r.free = !r.free })
		try("failure", v, func(r *row) { r.failure = !r.failure })
		for repeat := Never; repeat <= AnyMethod; repeat++ {
			try("repeat", v, func(r *row) { r.repeat = repeat })
		}
		for e := None; e <= Overtaken; e++ {
			try("evidence", v, func(r *row) { r.evidence = e })
		}
		for o := Success; o <= Answer; o++ {
			try("row", v, func(r *row) { *r = rows[o] })
		}
	}
	const verdicts = int(Answer)
	if want := verdicts * (5 + 2 + 5 + verdicts - 1); changes != want {
		t.Errorf("%d changes, want %d", changes, want)
	}
}

// The rules in another order, or without one of them, are another table: no rule
// can be dropped, nor moved before one that it shares facts with, unnoticed.
// [TestJudgeIsTheTable] holds Judge to the table for every combination of facts, so
// that what changes the table would fail it if it were done to Judge.
func TestAChangeOfAnyRuleIsNoticed(t *testing.T) {
	differs := func(rules []rule) (is bool) {
		everything(func(listed policy.CodeSet, f Facts) {
			is = is || judges(rules, listed, f) != Judge(listed, f)
		})
		return is
	}
	share := func(a, b rule, before []rule) (is bool) {
		everything(func(listed policy.CodeSet, f Facts) {
			is = is || a.matches(listed, f) && b.matches(listed, f) && judges(before, listed, f) == 0
		})
		return is
	}
	if differs(table) {
		t.Fatal("Judge is not the table")
	}
	moved := 0
	for i := range table {
		if without := slices.Delete(slices.Clone(table), i, i+1); !differs(without) {
			t.Errorf("without the rule of %v all verdicts are the same", table[i].verdict)
		}
		for j := i + 1; j < len(table); j++ {
			other := slices.Insert(slices.Delete(slices.Clone(table), j, j+1), i, table[j])
			shares := false // facts with one that it passes
			for k := i; k < j; k++ {
				shares = shares || share(table[k], table[j], table[:k])
			}
			if got := differs(other); got != shares {
				t.Errorf("%v before %v: noticed %v, shares facts %v", table[j].verdict, table[i].verdict, got, shares)
			}
			if shares {
				moved++
			}
		}
	}
	if moved < 60 {
		t.Errorf("%d rules can be moved: the facts are too few", moved)
	}
}
