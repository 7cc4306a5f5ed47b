package policy_test

import (
	"errors"
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/policy"
)

func TestWhatCannotHoldOfABalanceIsTold(t *testing.T) {
	_, _, house := policy.House()
	if err := house.Validate(); err != nil {
		t.Fatalf("the house defaults: %v", err)
	}
	for field, change := range map[string]func(*policy.Channel){
		"balance.least_request.choices":             func(c *policy.Channel) { c.Balance.Picker, c.Balance.Choices = policy.LeastRequest, 1 },
		"balance.consistent_hash.max_load_percent":  func(c *policy.Channel) { c.Balance.HashMaxLoadPercent = 100 },
		"balance.consistent_hash.header":            func(c *policy.Channel) { c.Balance.HashHeader = "X-Shard" },
		"balance.subset.size":                       func(c *policy.Channel) { c.Balance.SubsetSize = -1 },
		"balance.slow_start_ms":                     func(c *policy.Channel) { c.Balance.SlowStart = -time.Second },
		"balance.panic_percent":                     func(c *policy.Channel) { c.Balance.PanicPercent = 101 },
		"balance.locality.overprovisioning_percent": func(c *policy.Channel) { c.Balance.OverprovisioningPercent = 99 },
		"balance.ejection.max_percent":              func(c *policy.Channel) { c.Balance.Ejection.MaxPercent = -1 },
		"connection.liveness.silence_ms":            func(c *policy.Channel) { c.Connection.Liveness.Silence = time.Millisecond },
		"connection.max_connecting":                 func(c *policy.Channel) { c.Connection.MaxConnecting = 0 },
		"connection.drain_ms":                       func(c *policy.Channel) { c.Connection.Drain = -1 },
		"discovery.min_ttl_ms":                      func(c *policy.Channel) { c.Discovery.MinTTL = -1 },
		"discovery.max_stale_ms":                    func(c *policy.Channel) { c.Discovery.MaxStale = -1 },
		"discovery.max_ttl_ms": func(c *policy.Channel) {
			c.Discovery.MinTTL, c.Discovery.MaxTTL = time.Minute, time.Second
		},
	} {
		c := house
		change(&c)
		var told *policy.FieldError
		if err := c.Validate(); !errors.As(err, &told) || told.Field != field {
			t.Errorf("%s: told %v", field, err)
		}
	}
}

// Every mistake is told, wherever it is, and none inside another.
func TestAllMistakesOfAChannelAreTold(t *testing.T) {
	_, _, c := policy.House()
	c.Balance.SlowStart, c.Balance.SubsetSize = -1, -1
	c.Balance.Ejection.MaxPercent, c.Balance.Ejection.FailurePercent = 150, 101
	c.Discovery.MinTTL, c.Discovery.MaxTTL = -1, -1
	c.Connection.Liveness.MaxPercent, c.Connection.Drain = -1, -1
	joined, ok := c.Validate().(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%v is not joined", c.Validate())
	}
	told := joined.Unwrap()
	for _, err := range told {
		if _, ok := err.(*policy.FieldError); !ok { //nolint:errorlint // one that holds others is what is looked for
			t.Errorf("%T: %v", err, err)
		}
	}
	if len(told) != 8 {
		t.Errorf("%d mistakes are told of 8: %v", len(told), told)
	}
}
