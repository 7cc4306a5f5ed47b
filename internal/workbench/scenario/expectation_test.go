package scenario_test

import (
	"testing"

	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

func TestBoundsHoldOnTheirSide(t *testing.T) {
	tests := []struct {
		text                string
		below, equal, above bool // for 9, 10 and 11 beside a bound of 10
	}{
		{"<= 10", true, true, false},
		{"< 10", true, false, false},
		{"== 10", false, true, false},
		{">= 10", false, true, true},
		{">10", false, false, true},
	}
	for _, test := range tests {
		bound, err := scenario.ParseBound(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if got := [3]bool{bound.Holds(9), bound.Holds(10), bound.Holds(11)}; got != [3]bool{test.below, test.equal, test.above} {
			t.Errorf("%s holds for 9, 10, 11: %v", test.text, got)
		}
		if again, err := scenario.ParseBound(bound.String()); err != nil || again != bound {
			t.Errorf("%s is written as %s, which reads as %v, %v", test.text, bound, again, err)
		}
	}
}

// A Bound that nobody parsed proves nothing.
func TestZeroBoundHoldsForNothing(t *testing.T) {
	if (scenario.Bound{}).Holds(0) {
		t.Error("it holds for 0")
	}
}

func TestBadBounds(t *testing.T) {
	for _, text := range []string{"", "10", "= 10", "=> 10", "<=", "<= ten", "<= NaN", "!= 3"} {
		if bound, err := scenario.ParseBound(text); err == nil {
			t.Errorf("%q reads as %v", text, bound)
		}
	}
}

func TestOneOfFindsWhatWasMeant(t *testing.T) {
	names := []string{"even-load", "kill", "silent-drop"}
	for got, want := range map[string]string{
		"kil":        `did you mean "kill"? (known: even-load, kill, silent-drop)`,
		"evenload":   `did you mean "even-load"? (known: even-load, kill, silent-drop)`,
		"silentdrob": `did you mean "silent-drop"? (known: even-load, kill, silent-drop)`,
		"restart":    "use one of: even-load, kill, silent-drop",
		"":           "use one of: even-load, kill, silent-drop",
	} {
		if text := scenario.OneOf(got, names); text != want {
			t.Errorf("for %q: %s, want %s", got, text, want)
		}
	}
}
