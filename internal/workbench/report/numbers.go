package report

import "strconv"

// figure writes a number as short as it can be read: whole ones with thousands
// separators, others with two decimals.
func figure(v float64) string {
	if v == float64(int64(v)) {
		return thousands(int64(v))
	}
	if v >= 100 {
		return thousands(int64(v + 0.5))
	}
	if v >= 10 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// thousands writes 12345 as 12,345.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	first := 0
	if n < 0 {
		first = 1
	}
	for i := len(s) - 3; i > first; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
