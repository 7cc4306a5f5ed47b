package role

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	"github.com/surefoot-rpc/surefoot/internal/workbench/protocol"
	"github.com/surefoot-rpc/surefoot/internal/workbench/scenario"
)

const (
	sku           = "bolt"
	progressEvery = 200 * time.Millisecond
	settleLimit   = 15 * time.Second // for every client's first answer
)

// client is one independent caller with a channel of its own.
type client struct {
	index    int // among all clients of the run
	stub     inventoryv1.InventoryClient
	conn     channel
	spending *spending
}

// load is one load program.
type load struct {
	order    protocol.LoadOrder
	clients  []client
	attempts attempts
	streams  *streams
	out      *lines
}

// Load is the load program: it opens the channels, reports ready on out once
// each has had an answer, waits for the order to go on in, issues the calls and
// reports the tally. contract is what the clients of the surefoot arm are given
// beside the service's own.
func Load(ctx context.Context, order protocol.LoadOrder, contract []surefoot.ClientOption, in io.Reader, out io.Writer) (err error) {
	l := &load{order: order, attempts: newAttempts(), out: newLines(out)}
	defer func() {
		for _, c := range l.clients {
			err = errors.Join(err, c.conn.Close())
		}
	}()
	for i := range order.Clients {
		counted := l.attempts.forClient()
		conn, err := dial(protocol.Further{Client: order.Client, Target: order.Target, AttemptTimeout: order.AttemptTimeout, Timeout: order.Deadline},
			contract, grpc.WithStatsHandler(counted))
		if err != nil {
			return fmt.Errorf("arm %s: %w", order.Arm, err)
		}
		l.clients = append(l.clients, client{index: order.First + i, stub: inventoryv1.NewInventoryClient(conn), conn: conn, spending: counted.spending})
	}
	l.streams = startStreams(ctx, order, l.clients)
	defer l.streams.close()
	if !order.Cold {
		if err := errors.Join(l.settle(ctx), l.streams.settle(ctx)); err != nil {
			return err
		}
	}
	if err := l.out.send(protocol.Line{Ready: true}); err != nil {
		return err
	}
	line, err := bufio.NewReader(in).ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("no order to go: %w", err)
	}
	var run protocol.Go
	if err := json.Unmarshal(line, &run); err != nil {
		return fmt.Errorf("the order to go: %w", err)
	}
	return l.run(ctx, run)
}

// settle waits until each client has had an answer.
func (l *load) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	failed := make(chan error, len(l.clients))
	for _, c := range l.clients {
		go func() { failed <- l.firstAnswer(ctx, c) }()
	}
	var err error
	for range l.clients {
		err = errors.Join(err, <-failed)
	}
	return err
}

func (l *load) firstAnswer(ctx context.Context, c client) error {
	for {
		c.spending.call(protocol.Now())
		callCtx, cancel := context.WithTimeout(context.WithValue(ctx, makingKey{}, &making{}), l.order.Deadline)
		_, err := c.stub.Get(callCtx, &inventoryv1.GetRequest{Sku: sku})
		cancel()
		if err == nil {
			return nil
		}
		if wait(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("client %d of arm %s had no answer from %s within %v: %w", c.index, l.order.Arm, l.order.Target, settleLimit, err)
		}
	}
}

// run issues the calls of all clients and reports the tally when the last one
// has returned.
func (l *load) run(ctx context.Context, run protocol.Go) error {
	recorder := protocol.NewRecorder(run, l.order.BadAfter)
	l.attempts.recorder.Store(recorder)
	reporting, done := context.WithCancel(ctx)
	var reporter, pacers sync.WaitGroup
	reporter.Go(func() {
		for wait(reporting, progressEvery) == nil {
			progress := recorder.Progress()
			if l.out.send(protocol.Line{Progress: &progress}) != nil {
				return // nobody listens any more
			}
		}
	})
	for _, c := range l.clients {
		pacers.Go(func() { l.pace(ctx, c, run, recorder) })
	}
	pacers.Wait()
	done()
	reporter.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	tally, err := recorder.Tally()
	if err != nil {
		return err
	}
	l.streams.judge(run, &tally)
	for _, c := range l.clients {
		tally.BudgetUsed = max(tally.BudgetUsed, c.spending.worst(run))
	}
	return l.out.send(protocol.Line{Tally: &tally})
}

// pace issues the calls of one client on schedule, whether or not earlier ones
// have returned, and comes back when all have.
func (l *load) pace(ctx context.Context, c client, run protocol.Go, recorder *protocol.Recorder) {
	interval := time.Duration(float64(time.Second) / l.order.Rate)
	// The clients' phases are spread over one interval, so that they do not
	// call in step.
	next := run.Start.Add(interval * time.Duration(c.index) / time.Duration(l.order.Of))
	// Every call has a deadline, so no more than these can be outstanding
	// unless a client ignores its deadline; then the schedule waits.
	slots := make(chan struct{}, int(2*l.order.Rate*l.order.Deadline.Seconds())+16)
	var calls sync.WaitGroup
	defer calls.Wait()
	// They start at different keys, so that each key is called all the time.
	number := l.order.Keys * c.index / l.order.Of
	for ; next < run.Until; number, next = number+1, next.Add(interval) {
		if wait(ctx, protocol.Until(next)) != nil {
			return
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		one := ask{planned: next, write: bad(uint64(number+1), l.order.Writes), name: fmt.Sprintf("%d-%d", c.index, number)}
		if l.order.Keys > 0 {
			one.key = 1 + number%l.order.Keys
		}
		calls.Go(func() {
			recorder.Add(l.call(ctx, c, one, recorder.Counts(one.planned)))
			<-slots
		})
	}
}

// ask is one call to be made.
type ask struct {
	planned protocol.Instant
	key     int    // 0 for none
	write   bool   // it changes something
	name    string // of what it writes, different for each
}

// call is what every caller does, whatever the arm. counts says whether the call
// belongs to the measured part.
func (l *load) call(ctx context.Context, c client, one ask, counts bool) protocol.Outcome {
	issued, making := protocol.Now(), &making{planned: one.planned}
	c.spending.call(issued)
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, makingKey{}, making), l.order.Deadline)
	defer cancel()
	if one.key > 0 {
		ctx = metadata.AppendToOutgoingContext(ctx, scenario.KeyHeader, strconv.Itoa(one.key))
	}
	if l.order.Audit && counts {
		ctx = metadata.AppendToOutgoingContext(ctx, protocol.CallerHeader, strconv.FormatInt(int64(issued.Add(l.order.Deadline)), 10))
	}
	server, err := c.make(ctx, one)
	took := protocol.Now().Sub(issued)
	return protocol.Outcome{
		Issued:  issued,
		Planned: one.planned,
		Took:    took,
		Code:    codeName(status.Code(err)),
		Server:  server,
		Key:     one.key,
		Write:   one.write,
		Name:    one.name,
		Sent:    making.sent.Load(),
		Says:    saysApplied(err),
	}
}

// saysApplied says whether the error tells its reader, and a program as well, that
// the call may have been applied.
func saysApplied(err error) bool {
	call, ours := errors.AsType[*surefoot.CallError](err)
	return ours && call.MayHaveBeenApplied() && strings.Contains(err.Error(), "may have been applied")
}

// make makes the call and returns who answered.
func (c client) make(ctx context.Context, one ask) (string, error) {
	if one.write {
		reply, err := c.stub.Reserve(ctx, &inventoryv1.ReserveRequest{Sku: sku, Count: 1, ReservationId: one.name})
		return reply.GetServer(), err
	}
	reply, err := c.stub.Get(ctx, &inventoryv1.GetRequest{Sku: sku})
	return reply.GetServer(), err
}
