package report_test

import "github.com/surefoot-rpc/surefoot/internal/workbench/report"

// silence is a scenario in which one arm failed, one was slow and one noticed
// nothing.
func silence() report.Scenario {
	const slices = 8
	timeline := func(bad ...int64) []report.Slice {
		all := make([]report.Slice, slices)
		for i := range all {
			all[i].Calls = 1600
		}
		for i, n := range bad {
			all[i].Bad = n
		}
		return all
	}
	return report.Scenario{
		Name: "silent-drop", Summary: "the packets of 1 of 10 servers vanish", Isolation: "namespaces",
		Seconds: 8, FaultAfter: 1, BadAfterMS: 250, SliceSeconds: 1,
		Arms: []report.Arm{
			{
				Name: "grpc-go", Client: "grpc-go", Calls: 12800, OK: 11680, Errors: map[string]int64{"DEADLINE_EXCEEDED": 1100, "UNAVAILABLE": 20},
				Attempts: 12800, P50: 3.118, P99: 2001.9, Max: 2021.5, BusiestOverMean: 3.29, LastBad: 6991.2, Bad: 1120,
				MaxLag: 3, Timeline: timeline(0, 160, 160, 160, 160, 160, 160, 160),
			},
			{
				Name: "grpc-go round_robin", Client: "grpc-go round_robin", Calls: 12800, OK: 12800, Attempts: 12800,
				P50: 3.07, P99: 2.5, Max: 12, BusiestOverMean: 1.004, Timeline: timeline(),
			},
			{
				Name: "surefoot", Client: "surefoot", Calls: 12800, OK: 12800, Attempts: 13197,
				P50: 2.77, P99: 254.2, Max: 266, BusiestOverMean: 1.1, LastBad: 2015.25, Bad: 351,
				Timeline: timeline(0, 175, 176),
			},
		},
		Expectations: []report.Expectation{
			{Arm: "surefoot", Text: "no call fails", Metric: "failed", Got: 0, Want: "== 0", OK: true},
			{Arm: "surefoot", Text: "soon nobody waits for the silent server any more", Metric: "last_bad_ms", Got: 2015.25, Want: "<= 2015"},
		},
	}
}

// even is a scenario without a fault.
func even() report.Scenario {
	return report.Scenario{
		Name: "even-load", Summary: "20 clients call 10 healthy servers", Isolation: "namespaces",
		Seconds: 3, BadAfterMS: 250,
		Arms: []report.Arm{{
			Name: "surefoot", Client: "surefoot", Calls: 6000, OK: 6000, Attempts: 6000, P50: 3.1, P99: 9.14, Max: 36.9, BusiestOverMean: 1,
			MaxLag: 117, Timeline: []report.Slice{{Calls: 3000}, {Calls: 3000}},
		}},
		Expectations: []report.Expectation{{
			Arm: "surefoot", Text: "the busiest server carries hardly more than the mean",
			Metric: "busiest_over_mean", Got: 1.0005, Want: "<= 1.02", OK: true,
		}},
	}
}

// skipped is a scenario that the machine could not play.
func skipped() report.Scenario {
	const why = "the fault silent-drop needs a network namespace"
	return report.Scenario{
		Name: "silent-drop", Summary: "the packets of 1 of 10 servers vanish", Isolation: "loopback", Skipped: why,
		Seconds: 8, FaultAfter: 1, BadAfterMS: 250,
		Arms: []report.Arm{{Name: "grpc-go", Client: "grpc-go", Skipped: why}, {Name: "surefoot", Client: "surefoot", Skipped: why}},
	}
}
