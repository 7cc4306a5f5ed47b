package report

import "testing"

func TestFigures(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -999: "-999",
		0.504: "0.50", 9.994: "9.99", 10.04: "10.0", 99.94: "99.9", 100.4: "100", 2001.9: "2,002",
	} {
		if got := figure(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
	for ms, want := range map[float64]string{0: "0 ms", 0.04: "0 ms", 0.44: "0.4 ms", 5: "5 ms", 32.4: "32 ms", 999.4: "999 ms", 1000: "1.0 s", 6991.2: "7.0 s"} {
		if got := span(ms); got != want {
			t.Errorf("%v ms are written %s, want %s", ms, got, want)
		}
	}
	for _, test := range []struct {
		got        float64
		want, text string
	}{
		{0, "== 0", "0"}, {2015.25, "<= 2500", "2015"}, {2015.25, "<= 2015", "2015.2"}, {1.0005, "<= 1.02", "1"}, {1.0005, "== 1", "1.0005"},
		{1.0500001, "<= 1.05", "1.0500001"}, {0.25, "nonsense", "0.25"},
	} {
		if text := exact(Expectation{Got: test.got, Want: test.want}); text != test.text {
			t.Errorf("%v beside %s is written %s, want %s", test.got, test.want, text, test.text)
		}
	}
}

func TestSparks(t *testing.T) {
	tests := []struct {
		name     string
		timeline []Slice
		columns  int
		want     string
	}{
		{"none, few, all bad, no call", []Slice{{10, 0}, {100, 1}, {10, 10}, {0, 0}}, 4, "·▁█ "},
		{"neighbours add up", []Slice{{10, 0}, {10, 5}, {10, 0}, {10, 0}}, 2, "▅·"},
		{"fewer slices than columns", []Slice{{10, 0}, {10, 10}}, 4, "··██"},
		{"nothing was counted", nil, 3, "   "},
	}
	for _, test := range tests {
		if got := spark(test.timeline, test.columns); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestAxisPointsAtTheFault(t *testing.T) {
	for at, want := range map[float64]string{0: "over time", 1: "   ▾ fault", 7.9: "                       ▾"} {
		if got := axis(Scenario{Seconds: 8, FaultAfter: at}, 24); got != want {
			t.Errorf("fault after %v s: %q, want %q", at, got, want)
		}
	}
}
