package channel

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot/internal/engine/attempt"
)

// unary makes the attempts of a unary call, one after the other, on the
// caller's goroutine and into the caller's reply.
func (c *Channel) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	m := c.methods.lookup(method, c.problem)
	opts, user, p := takeOptions(opts, &m.Unary, true)
	ctx, err := user.bring(ctx, method, p)
	s := c.newCall(ctx, method, p, p != &m.Unary, req)
	defer s.giveBack()
	step, err := s.begin(m, err)
	now := s.start
	for {
		switch step.Action {
		case attempt.Start:
			user.reset()
			a := s.next(now, step.Timeout)
			err = a.invoke(method, req, reply, cc, invoker, opts)
			step, err = s.finish(a, err)
		case attempt.Wait:
			if !s.wait(step.Wait) {
				// The error of the last attempt says more than that time ran out.
				step = attempt.Step{Action: attempt.Done}
				continue
			}
			step = s.resume()
		case attempt.Done:
			s.guard.tell(s.settle(err))
			if err != nil || s.observed() {
				done := s.conclude(err)
				err = done.Err
				s.callDone(done)
			}
			user.deliver(err)
			return err
		}
		if step.Action == attempt.Start {
			now = time.Now()
		}
	}
}
