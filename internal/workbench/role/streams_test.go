package role

import (
	"context"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

// A run of ten seconds, with a change each second, of which those of the last two
// are not missed.
func tenSeconds() protocol.Go {
	return protocol.Go{From: protocol.Changed(100, time.Second), Until: protocol.Changed(110, time.Second)}
}

func TestWatchesAreJudged(t *testing.T) {
	tests := []struct {
		name    string
		changes []int64
		want    protocol.Watched
	}{
		{"all", []int64{99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110}, protocol.Watched{}},
		{"the last may be on their way", []int64{101, 102, 103, 104, 105, 106, 107, 108}, protocol.Watched{}},
		{"nothing", nil, protocol.Watched{Missing: 8}},
		{"a gap", []int64{101, 104, 105, 106, 107, 108}, protocol.Watched{Missing: 2}},
		{"a gap before the run", []int64{97, 101, 102, 103, 104, 105, 106, 107, 108}, protocol.Watched{}},
		{"again", []int64{101, 102, 103, 103, 103, 104, 105, 106, 107, 108, 101}, protocol.Watched{Doubled: 3}},
		{"late", []int64{101, 102, 104, 105, 103, 106, 107, 108, 99}, protocol.Watched{OutOfOrder: 1}},
	}
	for _, test := range tests {
		w := newWatching()
		for _, revision := range test.changes {
			w.change(revision)
		}
		if got := w.judge(tenSeconds(), time.Second); got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestLeasesAreJudged(t *testing.T) {
	at := func(ms int64) protocol.Instant {
		return protocol.Changed(100, time.Second).Add(time.Duration(ms) * time.Millisecond)
	}
	type renewal struct{ sent, answered int64 } // ms after the measured part began
	tests := []struct {
		name     string
		renewals []renewal
		want     int64
	}{
		{"never held", nil, 0},
		{"held to the end", []renewal{{-500, -400}, {1000, 1100}, {2900, 2950}, {4800, 4850}, {6700, 6710}, {8600, 8700}}, 0},
		{"an answer that was late", []renewal{{0, 0}, {1000, 2100}, {2000, 2900}, {9000, 9000}}, 2},
		{"lost at the end", []renewal{{0, 0}, {1000, 1010}}, 1},
		{"lost before the run, held again", []renewal{{-5000, -5000}, {-100, -100}, {1800, 1800}, {3700, 3700}, {5600, 5600}, {7500, 7500}, {9400, 9400}}, 0},
	}
	for _, test := range tests {
		l := newLease(2 * time.Second)
		for _, r := range test.renewals {
			l.renewed(at(r.sent), at(r.answered))
		}
		if got := l.lost(tenSeconds()); got != test.want {
			t.Errorf("%s: %d were lost, want %d", test.name, got, test.want)
		}
	}
}

// The changes come from the revision that is asked for, whoever serves them.
func TestServersKnowTheSameChanges(t *testing.T) {
	const every = 5 * time.Millisecond
	for _, name := range []string{"a", "b"} {
		order := protocol.ServeOrder{Name: name, Listen: freeAddress(t), Changes: every, Plain: true}
		p := serving(t, order)
		from := protocol.Revision(protocol.Now(), every) - 10
		stream, err := stub(t, order.Listen).Watch(t.Context(), &inventoryv1.WatchRequest{Sku: sku, FromRevision: from}, grpc.WaitForReady(true))
		if err != nil {
			t.Fatal(err)
		}
		for want := from; want < from+20; want++ {
			m, err := stream.Recv()
			if err != nil || m.GetRevision() != want || m.GetServer() != name {
				t.Fatalf("%s: got %v, %v, want revision %d", name, m, err, want)
			}
			if now := protocol.Now(); now < protocol.Changed(want, every) {
				t.Errorf("%s: the change %d is known before it is made", name, want)
			}
		}
		p.end()
	}
}

func TestLoadWatchesAndHoldsLeases(t *testing.T) {
	for _, client := range []scenario.Client{scenario.GRPCRoundRobin, scenario.Surefoot} {
		serve := protocol.ServeOrder{Name: "m", Listen: freeAddress(t), Changes: 20 * time.Millisecond}
		server := serving(t, serve)
		order := loadOrder(client, "dns:///"+serve.Listen)
		order.Watch, order.Lease = serve.Changes, time.Minute
		p := start(t, func(ctx context.Context, in io.Reader, out io.Writer) error { return Load(ctx, order, nil, in, out) })
		p.ready()
		run := soon()
		run.Until = run.From.Add(scenario.Arrival + 500*time.Millisecond)
		got := p.tally(run)
		if err := <-p.ended; err != nil {
			t.Fatal(err)
		}
		if got.Watched != (protocol.Watched{}) || got.Lost != 0 {
			t.Errorf("%s: nothing was wrong, and it counts %+v and %d leases lost", client, got.Watched, got.Lost)
		}
		server.end()
	}
}

// Who opens a stream again by hand misses what came meanwhile.
func TestByHandTheChangesBetweenAreMissing(t *testing.T) {
	const every = 10 * time.Millisecond
	serve := protocol.ServeOrder{Name: "m", Listen: freeAddress(t), Changes: every, Plain: true} // which cuts at its end
	server := serving(t, serve)
	ctx, cancel := context.WithCancel(t.Context())
	changes := make(chan int64, 10000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = watchByHand(ctx, stub(t, serve.Listen), func(revision int64) { changes <- revision })
	}()
	last := <-changes
	server.end() // ends the stream
	server = serving(t, serve)
	for {
		next := <-changes
		if next > last+1 {
			break // what came between is missing
		}
		last = next
	}
	cancel()
	<-done
	server.end()
}

// A surefoot client goes on from where it was when the server comes back.
func TestResumedNoChangeIsMissing(t *testing.T) {
	const every = 10 * time.Millisecond
	serve := protocol.ServeOrder{Name: "m", Listen: freeAddress(t), Changes: every, Plain: true} // which cuts at its end
	server := serving(t, serve)
	conn, err := dial(protocol.Further{Client: "surefoot", Target: "dns:///" + serve.Listen}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	changes, ended := make(chan int64, 10000), make(chan error, 1)
	go func() {
		ended <- watchResumed(ctx, inventoryv1.NewInventoryClient(conn), func(revision int64) { changes <- revision })
	}()
	last := <-changes
	restarted := false
	for end := last + 100; last < end; {
		next := <-changes
		if next != last+1 {
			t.Fatalf("%d comes after %d", next, last)
		}
		if last = next; !restarted {
			restarted = true
			server.end()
			server = serving(t, serve)
		}
	}
	cancel()
	if err := <-ended; err != nil && ctx.Err() == nil {
		t.Error(err)
	}
	server.end()
}

// A lease that is renewed on a stream which breaks is held on the next one.
func TestLeasesAreHeldOverStreams(t *testing.T) {
	serve := protocol.ServeOrder{Name: "m", Listen: freeAddress(t), Plain: true} // which cuts at its end
	for _, client := range []scenario.Client{scenario.GRPCRoundRobin, scenario.Surefoot} {
		server := serving(t, serve)
		conn, err := dial(protocol.Further{Client: string(client), Target: "dns:///" + serve.Listen}, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		l, ended := newLease(300*time.Millisecond), make(chan struct{})
		hold := l.holdByHand
		if client == scenario.Surefoot {
			hold = l.holdResumed
		}
		go func() {
			defer close(ended)
			_ = hold(ctx, inventoryv1.NewInventoryClient(conn), "mine") // how it ends does not matter here
		}()
		<-l.began
		server.end()
		server = serving(t, serve)
		for until := protocol.Now().Add(time.Second); ; { // a renewal after the restart
			l.mu.Lock()
			held := l.until > until
			l.mu.Unlock()
			if held {
				break
			}
			if wait(t.Context(), 10*time.Millisecond) != nil {
				t.Fatalf("%s: the lease is not held again", client)
			}
		}
		cancel()
		<-ended
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		server.end()
	}
}
