package channel

import (
	"context"
	"slices"

	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot/internal/engine/attempt"
)

// unary makes the attempts of a unary call, one after the other, on the
// caller's goroutine and into the caller's reply.
func (c *Channel) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	m := c.methods.lookup(method, c.problem)
	opts, user, p, waits := takeOptions(opts, &m.Unary)
	var err error
	if user != nil {
		ctx, err = user.bring(ctx, method, p)
	}
	s := c.newCall(ctx, method, m, p, req)
	s.waits = waits
	var running *attemptState
	quiet := false // nobody knows of the call any more
	defer func() {
		if running != nil { // an interceptor has panicked
			running.leave()
		}
		s.giveBack()
		if quiet {
			s.recycle()
		}
	}()
	if p.Hedge.On() {
		opts = slices.Clip(opts) // an interceptor may append to it in two attempts at once
		s.hedge(&hedges{req: req, cc: cc, invoker: invoker, opts: opts, user: user}, reply)
	}
	step, err := s.begin(cc, err)
	for {
		switch step.Action {
		case attempt.Start:
			if user != nil {
				user.reset()
			}
			a := s.next(step)
			running = a
			err = invoker(a.ctx, method, req, reply, cc, opts...)
			running = nil
			step, err = s.finish(a, err)
		case attempt.Wait:
			if !s.wait(step.For) {
				// The error of the last attempt says more than that time ran out.
				step = attempt.Step{Action: attempt.Done}
				continue
			}
			step, err = s.resume(cc, err)
		case attempt.Await:
			step, err = s.hedges.await(step.For, err)
		case attempt.Done:
			if s.hedges != nil {
				user = s.hedges.settle(reply, user, err)
			}
			m.guard.tell(s.settle(err))
			s.learn(err)
			if quiet = err == nil && user == nil && !s.observed(); !quiet {
				err = s.report(err, user)
			}
			return err
		}
	}
}
