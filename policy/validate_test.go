package policy_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/surefoot-rpc/surefoot/policy"
)

// fields returns the fields that a Validate complains of, and checks that each
// complaint can be told to a person.
func fields(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var names []string
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		var inv *policy.FieldError
		if !errors.As(e, &inv) {
			t.Fatalf("%v is not a FieldError", e)
		}
		if inv.Error() != inv.Field+" "+inv.Problem || !strings.Contains(inv.Problem, ":") {
			t.Errorf("%q does not say how to fix it", inv)
		}
		names = append(names, inv.Field)
	}
	slices.Sort(names)
	return names
}

func TestHouseDefaultsAreValid(t *testing.T) {
	unary, stream, channel := policy.House()
	for name, err := range map[string]error{"unary": unary.Validate(), "stream": stream.Validate(), "channel": channel.Validate()} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if unary.Safety != policy.Unsafe || stream.Safety != policy.Unsafe {
		t.Error("what nobody declared is not unsafe")
	}
	if stream.Deadline != 0 || !stream.Streaming || unary.Streaming {
		t.Error("streams have no deadline, and are streams")
	}
}

func TestValidateAMethod(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*policy.Method)
		want   []string
	}{
		{"no deadline", func(m *policy.Method) { m.Deadline = 0 }, nil},
		{"a negative deadline", func(m *policy.Method) { m.Deadline = -1 }, []string{"deadline_ms"}},
		{"a negative attempt timeout", func(m *policy.Method) { m.AttemptTimeout = -ms }, []string{"attempt_timeout_ms"}},
		{"an attempt timeout as long as the deadline", func(m *policy.Method) { m.AttemptTimeout = m.Deadline }, nil},
		{"an attempt timeout above the deadline", func(m *policy.Method) { m.AttemptTimeout = m.Deadline + 1 }, []string{"attempt_timeout_ms"}},
		{"an attempt timeout without a deadline", func(m *policy.Method) { m.Deadline, m.AttemptTimeout = 0, time.Hour }, nil},
		{"a negative margin", func(m *policy.Method) { m.DeadlineMargin = -ms }, []string{"deadline_margin_ms"}},
		{"no margin", func(m *policy.Method) { m.DeadlineMargin = 0 }, nil},
		{"a margin above the deadline", func(m *policy.Method) { m.DeadlineMargin = m.Deadline + 1 }, nil},
		{"0 attempts", func(m *policy.Method) { m.Retry.MaxAttempts = 0 }, []string{"retry.max_attempts"}},
		{"1 attempt", func(m *policy.Method) { m.Retry.MaxAttempts = 1 }, nil},
		{"10 attempts", func(m *policy.Method) { m.Retry.MaxAttempts = 10 }, nil},
		{"11 attempts", func(m *policy.Method) { m.Retry.MaxAttempts = 11 }, []string{"retry.max_attempts"}},
		{"codes of an unsafe method", func(m *policy.Method) { m.Retry.Codes = policy.Codes(codes.Aborted) }, []string{"retry.codes"}},
		{"codes of an idempotent one", func(m *policy.Method) {
			m.Retry.Codes, m.Safety = policy.Codes(codes.Aborted), policy.Idempotent
		}, nil},
		{"codes of a read-only one", func(m *policy.Method) {
			m.Retry.Codes, m.Safety = policy.Codes(codes.Aborted), policy.ReadOnly
		}, nil},
		{"a negative base", func(m *policy.Method) { m.Retry.Backoff.Base = -1 }, []string{"retry.backoff.base_ms"}},
		{"a negative max", func(m *policy.Method) { m.Retry.Backoff.Max = -1 }, []string{"retry.backoff.max_ms"}},
		{"a max below the base", func(m *policy.Method) { m.Retry.Backoff = policy.Backoff{Base: 2, Max: 1} }, []string{"retry.backoff.max_ms"}},
		{"a max that is the base", func(m *policy.Method) { m.Retry.Backoff = policy.Backoff{Base: 2, Max: 2} }, nil},
		{"no max", func(m *policy.Method) { m.Retry.Backoff = policy.Backoff{Base: 2} }, nil},
		{"no backoff", func(m *policy.Method) { m.Retry.Backoff = policy.Backoff{} }, nil},
		{"everything", func(m *policy.Method) {
			*m = policy.Method{Deadline: -1, AttemptTimeout: -1, Retry: policy.Retry{
				MaxAttempts: -1, Codes: 1, Backoff: policy.Backoff{Base: -1, Max: -1},
			}}
		}, []string{"attempt_timeout_ms", "deadline_ms", "retry.backoff.base_ms", "retry.backoff.max_ms", "retry.codes", "retry.max_attempts"}},
	} {
		m, _, _ := policy.House()
		c.change(&m)
		if got := fields(t, m.Validate()); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestValidateAChannel(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*policy.Channel)
		want   []string
	}{
		{"no ratio", func(c *policy.Channel) { c.Budget.RatioPercent = 0 }, nil},
		{"a ratio of 100", func(c *policy.Channel) { c.Budget.RatioPercent = 100 }, nil},
		{"a ratio of 101", func(c *policy.Channel) { c.Budget.RatioPercent = 101 }, []string{"retry_budget.ratio_percent"}},
		{"a negative ratio", func(c *policy.Channel) { c.Budget.RatioPercent = -1 }, []string{"retry_budget.ratio_percent"}},
		{"no floor", func(c *policy.Channel) { c.Budget.MinPerSecond = 0 }, nil},
		{"a negative floor", func(c *policy.Channel) { c.Budget.MinPerSecond = -1 }, []string{"retry_budget.min_per_second"}},
		{"a window of a second", func(c *policy.Channel) { c.Budget.Window = time.Second }, nil},
		{"a window below", func(c *policy.Channel) { c.Budget.Window = time.Second - 1 }, []string{"retry_budget.window_ms"}},
		{"a window of an hour", func(c *policy.Channel) { c.Budget.Window = time.Hour }, nil},
		{"a window above", func(c *policy.Channel) { c.Budget.Window = time.Hour + 1 }, []string{"retry_budget.window_ms"}},
		{"no connect timeout", func(c *policy.Channel) { c.Connection.ConnectTimeout = 0 }, []string{"connection.connect_timeout_ms"}},
		{"the least connect timeout", func(c *policy.Channel) { c.Connection.ConnectTimeout = 1 }, nil},
		{"no keepalive", func(c *policy.Channel) { c.Connection.KeepaliveTime, c.Connection.KeepaliveTimeout = 0, 0 }, nil},
		{"the least keepalive", func(c *policy.Channel) { c.Connection.KeepaliveTime = 10 * time.Second }, nil},
		{"a keepalive below", func(c *policy.Channel) { c.Connection.KeepaliveTime = 10*time.Second - 1 }, []string{"connection.keepalive_time_ms"}},
		{"a negative keepalive", func(c *policy.Channel) { c.Connection.KeepaliveTime = -1 }, []string{"connection.keepalive_time_ms"}},
		{"pings that nobody waits for", func(c *policy.Channel) { c.Connection.KeepaliveTimeout = 0 }, []string{"connection.keepalive_timeout_ms"}},
		{"a negative ping", func(c *policy.Channel) { c.Connection.KeepaliveTimeout = -1 }, []string{"connection.keepalive_timeout_ms"}},
		{"a negative user timeout", func(c *policy.Channel) { c.Connection.TCPUserTimeout = -1 }, []string{"connection.tcp_user_timeout_ms"}},
		{"a negative age", func(c *policy.Channel) { c.Connection.MaxAge = -1 }, []string{"connection.max_age_ms"}},
		{"everything", func(c *policy.Channel) {
			*c = policy.Channel{
				Balance:    policy.Balance{SubsetSize: -1},
				Budget:     policy.Budget{RatioPercent: -1, MinPerSecond: -1, Window: -1},
				Connection: policy.Connection{MaxConnecting: 1, ConnectTimeout: -1, KeepaliveTime: -1, KeepaliveTimeout: -1, TCPUserTimeout: -1, MaxAge: -1},
			}
		}, []string{
			"balance.subset.size", "connection.connect_timeout_ms", "connection.keepalive_time_ms", "connection.keepalive_timeout_ms",
			"connection.max_age_ms", "connection.tcp_user_timeout_ms",
			"retry_budget.min_per_second", "retry_budget.ratio_percent", "retry_budget.window_ms",
		}},
	} {
		_, _, channel := policy.House()
		c.change(&channel)
		if got := fields(t, channel.Validate()); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTheUserTimeoutIsTheKeepalivesUnlessGiven(t *testing.T) {
	for want, c := range map[time.Duration]policy.Connection{
		2 * time.Second: {KeepaliveTimeout: 2 * time.Second},
		5 * time.Second: {KeepaliveTimeout: 2 * time.Second, TCPUserTimeout: 5 * time.Second},
		0:               {},
	} {
		if got := c.UserTimeout(); got != want {
			t.Errorf("%+v: %v, want %v", c, got, want)
		}
	}
}

func TestOnlyWhatIsDeclaredMayBeRepeated(t *testing.T) {
	for _, c := range []struct {
		s          policy.Safety
		repeatable bool
		name       string
	}{
		{policy.Unsafe, false, "unsafe"},
		{policy.Idempotent, true, "idempotent"},
		{policy.ReadOnly, true, "read-only"},
	} {
		if c.s.Repeatable() != c.repeatable || c.s.String() != c.name {
			t.Errorf("%v: repeatable %v, want %s, %v", c.s, c.s.Repeatable(), c.name, c.repeatable)
		}
	}
}

// Two equal policies behave alike, so == must mean something.
func TestPoliciesAreComparable(t *testing.T) {
	unary, _, channel := policy.House()
	again, _, channelAgain := policy.House()
	if unary != again || channel != channelAgain {
		t.Error("the same policy is not equal to itself")
	}
	again.Retry.Backoff.Max++
	channelAgain.Connection.MaxAge++
	if unary == again || channel == channelAgain {
		t.Error("different policies are equal")
	}
}
