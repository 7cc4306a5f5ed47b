package serve

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/observe"
)

// recoverUnary turns a panic below it into an error of this call.
func (s *Server) recoverUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (reply any, err error) {
	returned := false
	defer func() {
		if !returned {
			reply, err = nil, s.failed(ctx, info.FullMethod, recover())
		}
	}()
	reply, err = next(ctx, req)
	returned = true
	return reply, err
}

// recoverStream turns a panic below it into an error of this call.
func (s *Server) recoverStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	returned := false
	defer func() {
		if !returned {
			err = s.failed(stream.Context(), info.FullMethod, recover())
		}
	}()
	err = next(srv, stream)
	returned = true
	return err
}

// failed reports that the handler of method did not return, and returns what
// the caller is told: that it failed, and nothing of the panic's value, which
// may hold what the caller must not see. A nil value is runtime.Goexit, since
// recover returns non-nil for every panic. It must be called while the handler's
// goroutine unwinds, because the stack is read here.
func (s *Server) failed(ctx context.Context, method string, value any) error {
	p := &panicked{method: method, value: value, stack: debug.Stack()}
	s.problems.report(p)
	told := status.Newf(codes.Internal, "surefoot: the handler of %s failed in a way that it did not handle; the server's own log says how", method)
	if value == nil {
		// Nothing that is returned from here arrives anywhere: the goroutine ends.
		// The caller would wait for its deadline, so the status is written now.
		writeStatus(ctx, told)
	}
	return told.Err()
}

// writeStatus ends the call of ctx with st, if grpc-go's stream can do that.
func writeStatus(ctx context.Context, st *status.Status) {
	stream, ok := grpc.ServerTransportStreamFromContext(ctx).(interface {
		WriteStatus(*status.Status) error
	})
	if ok {
		_ = stream.WriteStatus(st) // an error means that the connection is gone
	}
}

// panicked is the problem that a handler did not return.
type panicked struct {
	method string
	value  any // nil for runtime.Goexit
	stack  []byte
}

// Error says what happened, where, and with which stack.
func (p *panicked) Error() string {
	return fmt.Sprintf("surefoot: the handler of %s %s\n%s", p.method, p.what(), p.stack)
}

// what tells errors and texts, which are made to be read, and of other values
// only the type: nobody chose to print what they hold.
func (p *panicked) what() string {
	switch v := p.value.(type) {
	case nil:
		return "called runtime.Goexit"
	case error:
		return "panicked: " + v.Error()
	case string:
		return "panicked: " + v
	default:
		return fmt.Sprintf("panicked with a value of type %T", v)
	}
}

// problems takes what needs a person to where a person sees it.
type problems struct{ observer *observe.Observer }

func (p problems) report(failure *panicked) {
	if p.observer != nil && p.observer.Problem != nil {
		p.observer.Problem(failure)
		return
	}
	slog.Error("surefoot: a handler "+failure.what(), "method", failure.method, "stack", string(failure.stack))
}
