package policy

import (
	"errors"
	"fmt"
	"time"
)

// A Channel is what holds for all calls to one target. It is comparable.
type Channel struct {
	Balance    Balance
	Budget     Budget
	Connection Connection
	Discovery  Discovery
}

// A Budget bounds how much load the extra attempts of a channel add: whenever one is
// paid for, in the Window that ends then, extra attempts <= RatioPercent/100 * calls +
// MinPerSecond * Window.
// The zero Budget allows none.
type Budget struct {
	RatioPercent int
	MinPerSecond int
	Window       time.Duration
}

// A Connection is how the connections of a channel are made, watched and
// ended.
type Connection struct {
	// ConnectTimeout bounds a connect with its handshake.
	ConnectTimeout time.Duration
	// KeepaliveTime is the silence after which a connection with calls on it is
	// pinged. Zero is never.
	KeepaliveTime time.Duration
	// KeepaliveTimeout is how long a ping may go unanswered.
	KeepaliveTimeout time.Duration
	// TCPUserTimeout is how long sent bytes may stay unacknowledged by the
	// peer's kernel. Zero is KeepaliveTimeout.
	TCPUserTimeout time.Duration
	// MaxAge is when a server closes a connection gracefully. Zero is never.
	MaxAge time.Duration
	// MaxConnecting is how many connects may run at the same time.
	MaxConnecting int
	// Drain is how long calls may go on at an endpoint that is no longer listed.
	// Zero is as long as they take.
	Drain time.Duration
	// SingleEndpoint says that the one endpoint stands for many.
	SingleEndpoint bool
	Liveness       Liveness
}

// MinKeepaliveTime is the smallest keepalive time that grpc-go observes.
const MinKeepaliveTime = 10 * time.Second

// UserTimeout returns TCPUserTimeout, or what stands for it.
func (c Connection) UserTimeout() time.Duration {
	if c.TCPUserTimeout > 0 {
		return c.TCPUserTimeout
	}
	return c.KeepaliveTimeout
}

// Validate reports every value of c that cannot hold, each as an [*FieldError],
// joined with [errors.Join]; nil if there are none.
func (c Channel) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	for _, part := range []error{c.Balance.validate(), c.Balance.Ejection.Validate(), c.Discovery.validate(), c.Connection.Liveness.Validate()} {
		if several, ok := part.(interface{ Unwrap() []error }); ok { // as errors.Join makes it
			errs = append(errs, several.Unwrap()...)
		}
	}
	b := c.Budget
	if b.RatioPercent < 0 || b.RatioPercent > 100 {
		bad("retry_budget.ratio_percent", "is %d: set 0 to 100 extra attempts per 100 calls", b.RatioPercent)
	}
	if b.MinPerSecond < 0 {
		bad("retry_budget.min_per_second", "is %d; a rate cannot be negative: set 0 for no floor", b.MinPerSecond)
	}
	if b.Window < time.Second || b.Window > time.Hour {
		bad("retry_budget.window_ms", "is %d: set 1000 to 3600000", b.Window.Milliseconds())
	}
	n := c.Connection
	if n.ConnectTimeout <= 0 {
		bad("connection.connect_timeout_ms", "is %d: set the time a connect may take, such as 1000", n.ConnectTimeout.Milliseconds())
	}
	if n.KeepaliveTime != 0 && n.KeepaliveTime < MinKeepaliveTime {
		bad("connection.keepalive_time_ms", "is %d, below the %d that grpc-go observes: raise it; a dead peer is found by tcp_user_timeout_ms and attempt_timeout_ms long before",
			n.KeepaliveTime.Milliseconds(), MinKeepaliveTime.Milliseconds())
	}
	if n.KeepaliveTimeout < 0 || n.KeepaliveTime > 0 && n.KeepaliveTimeout == 0 {
		bad("connection.keepalive_timeout_ms", "is %d: set how long a ping may go unanswered, such as 2000", n.KeepaliveTimeout.Milliseconds())
	}
	if n.TCPUserTimeout < 0 {
		bad("connection.tcp_user_timeout_ms", "is %d; a time cannot be negative: remove it to use keepalive_timeout_ms", n.TCPUserTimeout.Milliseconds())
	}
	if n.MaxAge < 0 {
		bad("connection.max_age_ms", "is %d; a time cannot be negative: set 0 for never", n.MaxAge.Milliseconds())
	}
	if n.MaxConnecting < 1 {
		bad("connection.max_connecting", "is %d: set how many connects may run at the same time, at least 1", n.MaxConnecting)
	}
	if n.Drain < 0 {
		bad("connection.drain_ms", "is %d; a time cannot be negative: set 0 for as long as calls take", n.Drain.Milliseconds())
	}
	return errors.Join(errs...)
}
