package outcome

import "testing"

func TestOnlyAnswersAndWhatLastedSayHowLongThingsTake(t *testing.T) {
	for v := Success; v <= Answer; v++ {
		for _, superseded := range []bool{false, true} {
			want := Untimed
			switch {
			case v == Success || v == Answer:
				want = Took
			case v == Timeout || v == Expired || v == Abandoned && superseded:
				want = AtLeast
			}
			if got := v.Timing(superseded); got != want {
				t.Errorf("%v, superseded %v: %v, want %v", v, superseded, got, want)
			}
		}
	}
}
