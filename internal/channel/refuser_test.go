package channel_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/memnet"
	"github.com/surefoot-rpc/surefoot/observe"
)

// A refuser is a server that speaks HTTP/2 by hand and refuses streams at random:
// with REFUSED_STREAM, or with a GOAWAY that passes them over. It counts every
// stream that it sees.
type refuser struct {
	lis     *memnet.Listener
	goes    bool                             // with a GOAWAY, now and then
	answer  func(f *http2.Framer, id uint32) // to every request; nil refuses at random
	gone    atomic.Int64
	streams atomic.Int64
}

func (r *refuser) serve(conn net.Conn, rnd *rand.Rand) {
	defer func() { _ = conn.Close() }()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	f := http2.NewFramer(conn, conn)
	_ = f.WriteSettings()
	refused := make(map[uint32]bool)
	var last uint32
	leaving := false
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				_ = f.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				_ = f.WritePing(true, frame.Data)
			}
		case *http2.HeadersFrame:
			r.streams.Add(1)
			id := frame.StreamID
			switch n := rnd.IntN(10); {
			case r.answer != nil:
			case leaving: // above what the GOAWAY said
				refused[id] = true
			case n < 2:
				refused[id] = true
				_ = f.WriteRSTStream(id, http2.ErrCodeRefusedStream)
			case n == 2 && r.goes:
				r.gone.Add(1)
				refused[id], leaving = true, true
				_ = f.WriteGoAway(last, http2.ErrCodeNo, nil)
			default:
				last = id
			}
		case *http2.DataFrame:
			if id := frame.StreamID; frame.StreamEnded() && r.answer != nil {
				r.answer(f, id)
			} else if frame.StreamEnded() && !refused[id] {
				_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, BlockFragment: block(":status", "200", "content-type", "application/grpc")})
				_ = f.WriteData(id, false, make([]byte, 5))
				_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, EndStream: true, BlockFragment: block("grpc-status", "0")})
			}
		}
	}
}

func block(fields ...string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for i := 0; i < len(fields); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return b.Bytes()
}

// Attempts + repeats of grpc-go's own = streams that the servers counted, but for
// those of the two that got no connection: each stream that was refused is
// repeated once by grpc-go, and by us if it is again and its call may be. Where
// servers only refuse, the equation is exact.
func TestRefusedStreamsAreCountedOnce(t *testing.T) {
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			var (
				client   counter
				mu       sync.Mutex
				attempts []observe.Attempt
				started  atomic.Int64
				running  sync.WaitGroup
				state    resolver.State
			)
			servers := make(map[string]*refuser)
			for _, name := range []string{"a", "b", "c"} {
				r := &refuser{lis: memnet.Listen(1 << 16), goes: seed%2 == 1}
				servers[name] = r
				state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: name}}})
				running.Go(func() {
					for n := uint64(0); ; n++ {
						conn, err := r.lis.Accept()
						if err != nil {
							return
						}
						running.Go(func() { r.serve(conn, rand.New(rand.NewPCG(seed, n))) })
					}
				})
			}
			names := manual.NewBuilderWithScheme("fleet")
			names.InitialState(state)
			c, err := surefoot.NewClient("fleet:///inventory", surefoot.WithInsecure(), surefoot.WithService(&inventoryv1.Inventory_ServiceDesc), trusting(),
				surefoot.WithObserver(&observe.Observer{AttemptStart: func(context.Context, string, int) { started.Add(1) }, AttemptDone: func(_ context.Context, _ string, a observe.Attempt) {
					mu.Lock()
					defer mu.Unlock()
					attempts = append(attempts, a)
				}}),
				surefoot.WithAttemptInterceptor(client.number, nil),
				surefoot.WithDialOptions(grpc.WithResolvers(names), grpc.WithStatsHandler(&client),
					grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return servers[addr].lis.DialContext(ctx) })))
			if err != nil {
				t.Fatal(err)
			}
			stub := inventoryv1.NewInventoryClient(c)
			var callers sync.WaitGroup
			const goroutines = 8
			for range goroutines {
				callers.Go(func() {
					for range 50 {
						_, _ = stub.Get(t.Context(), getRequest)
						_, _ = stub.Reserve(t.Context(), &inventoryv1.ReserveRequest{})
						time.Sleep(10 * time.Millisecond)
					}
				})
			}
			callers.Wait()
			synctest.Wait()
			counted, passedOver := 0, 0
			for _, r := range servers {
				counted += int(r.streams.Load())
				passedOver += int(r.gone.Load()) * goroutines
			}
			all, unaccounted := client.sum()
			if made := len(attempts); made != int(started.Load()) || made != all.attempts || all.repeated == 0 || len(unaccounted) > 0 {
				t.Errorf("seed %d: %d attempts started, %d ended, %+v; unaccounted for: %v", seed, started.Load(), made, all, unaccounted)
			}
			if all.created != all.attempts-all.without+all.repeated || passedOver == 0 && (all.created != counted || all.without > 0) {
				t.Errorf("seed %d: %+v: the servers counted %d", seed, all, counted)
			}
			// A GOAWAY also passes over streams that were created and not yet sent, and
			// leaves attempts without a connection.
			if counted > all.created || counted < all.created-passedOver {
				t.Errorf("seed %d: %+v: the servers counted %d, and may have passed over %d", seed, all, counted, passedOver)
			}
			_ = c.Close()
			for _, r := range servers {
				_ = r.lis.Close()
			}
			running.Wait()
		})
	}
}
