package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Story says in words what the callers of an arm saw.
func Story(s Scenario, a Arm) string {
	switch {
	case a.Skipped != "":
		return "skipped: " + a.Skipped + "."
	case a.Calls == 0:
		return "no call was made, so nothing was shown."
	case a.Bad == 0 && s.FaultAfter > 0 && value(a.P99OverQuiet) > noticed:
		return fmt.Sprintf("all %s calls succeeded, none took %s or longer; p99 was %.1f × that of before the fault.", thousands(a.Calls), span(s.BadAfterMS), *a.P99OverQuiet)
	case a.Bad == 0 && s.FaultAfter > 0:
		return fmt.Sprintf("all %s calls succeeded, none took %s or longer: its callers saw nothing.", thousands(a.Calls), span(s.BadAfterMS))
	case a.Bad == 0:
		return fmt.Sprintf("all %s calls succeeded, none took %s or longer. %s", thousands(a.Calls), span(s.BadAfterMS), share(a))
	}
	var parts []string
	if a.Failed() > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s calls failed with %s", thousands(a.Failed()), thousands(a.Calls), codes(a.Errors)))
	} else {
		parts = append(parts, fmt.Sprintf("all %s calls succeeded", thousands(a.Calls)))
	}
	if slow := a.Bad - a.Failed(); slow > 0 {
		parts = append(parts, fmt.Sprintf("%s succeeded only after %s or more", thousands(slow), span(s.BadAfterMS)))
	}
	if s.FaultAfter > 0 {
		parts = append(parts, end(s, a))
	}
	return strings.Join(parts, "; ") + "."
}

// noticed is how many times as long the p99 must be for callers to see it.
const noticed = 2

// share says how evenly the calls were spread.
func share(a Arm) string {
	return fmt.Sprintf("The busiest server carried %.2f × the mean.", a.BusiestOverMean)
}

// nearEnd is how close to the end of a run, as a part of the time since the
// fault, the last bad call must be to say that there was no end in sight.
const nearEnd = 0.95

// end says when the trouble ended.
func end(s Scenario, a Arm) string {
	rest := (s.Seconds - s.FaultAfter) * 1000
	switch {
	case a.LastBad == 0:
		return "none of them was issued after the fault"
	case a.LastBad >= nearEnd*rest && lasting(s, a):
		return fmt.Sprintf("the last bad call was issued %s after the fault, when the run ended: it did not recover", span(a.LastBad))
	}
	return fmt.Sprintf("the last bad call was issued %s after the fault", span(a.LastBad))
}

// lasting says whether most of the time since the fault was bad: an odd slow
// call near the end of a run is not the same trouble.
func lasting(s Scenario, a Arm) bool {
	since, bad := 0, 0
	for i, slice := range a.Timeline {
		if float64(i)*s.SliceSeconds < s.FaultAfter {
			continue
		}
		since++
		if slice.Bad > 0 {
			bad++
		}
	}
	return 2*bad > since
}

// codes lists error codes, the most frequent first, with counts when there are
// several.
func codes(errors map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(errors), func(a, b string) int {
		if errors[a] != errors[b] {
			return int(errors[b] - errors[a])
		}
		return strings.Compare(a, b)
	})
	if len(names) == 1 {
		return names[0]
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%s (%s)", name, thousands(errors[name]))
	}
	return strings.Join(names, ", ")
}

// span writes milliseconds as a person would.
func span(ms float64) string {
	switch {
	case ms < 10:
		return strconv.FormatFloat(math.Round(ms*10)/10, 'f', -1, 64) + " ms"
	case ms < 1000:
		return figure(float64(int64(ms+0.5))) + " ms"
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}
