package main

import (
	"time"

	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafegrpc"
	limit "github.com/failsafe-go/failsafe-go/timeout"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/retry"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/timeout"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
)

// What the contract of the example says of Get, and the house defaults of what it
// does not.
const (
	deadline       = 2 * time.Second
	attemptTimeout = 250 * time.Millisecond
	attempts       = 3
	backoffBase    = 25 * time.Millisecond
	backoffMax     = time.Second
	budgetRatio    = 0.2

	breakerRatio    = 0.5
	breakerMinCalls = 20
	breakerWindow   = 10 * time.Second
	breakerOpen     = 5 * time.Second
)

// middleware returns what go-grpc-middleware has: a deadline, and attempts with a
// timeout each. It has no budget and no breaker.
func middleware() []grpc.UnaryClientInterceptor {
	return []grpc.UnaryClientInterceptor{
		timeout.UnaryClientInterceptor(deadline),
		retry.UnaryClientInterceptor(
			retry.WithMax(attempts), // counts the first attempt
			retry.WithPerRetryTimeout(attemptTimeout),
			retry.WithBackoff(retry.BackoffExponentialWithJitterBounded(backoffBase, 1, backoffMax)),
			retry.WithCodes(codes.Unavailable, codes.ResourceExhausted, codes.Aborted),
		),
	}
}

// guards returns what failsafe-go has: the same, with a budget, and a breaker.
func guards() []grpc.UnaryClientInterceptor {
	type reply = *inventoryv1.GetResponse
	return []grpc.UnaryClientInterceptor{
		failsafegrpc.NewUnaryClientInterceptor(
			limit.New[reply](deadline),
			failsafegrpc.NewRetryPolicyBuilder[reply]().
				WithMaxAttempts(attempts).
				WithBackoff(backoffBase, backoffMax).
				WithJitterFactor(1).
				WithBudget(budget.NewBuilder().WithMaxRate(budgetRatio).Build()).
				Build(),
			circuitbreaker.NewBuilder[reply]().
				WithFailureRateThreshold(breakerRatio, breakerMinCalls, breakerWindow).
				WithDelay(breakerOpen).
				Build(),
			limit.New[reply](attemptTimeout),
		),
	}
}
