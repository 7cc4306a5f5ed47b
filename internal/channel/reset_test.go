package channel_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/memnet"
)

// A peer that resets a stream in place of an answer says nothing that a repeat is
// safe by, whatever the code, but REFUSED_STREAM. The error is what grpc-go makes of the
// code, and says that the write may have been applied.
func TestAStreamThatIsResetIsNotRepeated(t *testing.T) {
	for _, c := range []struct {
		reset   http2.ErrCode
		headers bool // come first
		code    codes.Code
		verdict string
	}{
		{http2.ErrCodeInternal, false, codes.Internal, "local"},
		{http2.ErrCodeProtocol, false, codes.Internal, "local"},
		{http2.ErrCodeCancel, false, codes.Canceled, "local"},
		{http2.ErrCodeEnhanceYourCalm, false, codes.ResourceExhausted, "local"},
		{http2.ErrCodeNo, false, codes.Internal, "local"},
		{http2.ErrCodeInternal, true, codes.Internal, "broken"},
		{http2.ErrCodeCancel, true, codes.Canceled, "answer"},
		{http2.ErrCodeEnhanceYourCalm, true, codes.ResourceExhausted, "local"},
		{http2.ErrCodeRefusedStream, false, codes.Unavailable, "lost"}, // the second time: grpc-go has repeated the first
	} {
		t.Run(fmt.Sprintf("%v, headers %v", c.reset, c.headers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &refuser{lis: memnet.Listen(1 << 16), answer: func(f *http2.Framer, id uint32) {
					if c.headers {
						_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, BlockFragment: block(":status", "200", "content-type", "application/grpc")})
					}
					_ = f.WriteRSTStream(id, c.reset)
				}}
				served := make(chan struct{})
				go func() {
					defer close(served)
					conn, err := r.lis.Accept()
					if err == nil {
						r.serve(conn, rand.New(rand.NewPCG(1, 1)))
					}
				}()
				client, err := surefoot.NewClient("static:///a:1", surefoot.WithInsecure(), surefoot.WithService(&inventoryv1.Inventory_ServiceDesc), trusting(),
					surefoot.WithDialOptions(grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return r.lis.DialContext(ctx) })))
				if err != nil {
					t.Fatal(err)
				}
				_, err = inventoryv1.NewInventoryClient(client).Reserve(t.Context(), &inventoryv1.ReserveRequest{})
				if status.Code(err) != c.code || verdictOf(err) != c.verdict {
					t.Errorf("the call: %v", err)
				}
				if ce, ok := errors.AsType[*surefoot.CallError](err); !ok || !ce.MayHaveBeenApplied() || len(ce.Call.Attempts) != 1 {
					t.Errorf("no story, or one that tells of repeats, or of the wrong end: %v", err)
				}
				_ = client.Close()
				_ = r.lis.Close()
				<-served
			})
		})
	}
}
