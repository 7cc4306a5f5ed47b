package resume_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/series"
	"github.com/surefoot-rpc/surefoot/policy"
	"github.com/surefoot-rpc/surefoot/resume"
)

func fromTheFirst() *inventoryv1.WatchRequest {
	return &inventoryv1.WatchRequest{Sku: "bolt", FromRevision: 1}
}

func ofWatch(s *surefootv1.Stream) surefoot.ClientOption {
	return surefoot.WithContract(&surefootv1.Contract{ServiceName: "inventory.v1.Inventory", Methods: map[string]*surefootv1.MethodContract{
		"Watch": {Method: &surefootv1.Method{Stream: s}},
	}})
}

// Whatever happens to the nodes, each revision comes once and in order.
func TestNothingIsMissingDoubledOrOutOfOrder(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 4711))
				f := newFleet(t, 4, nil, ofWatch(&surefootv1.Stream{SilenceMs: new(int64(2000)), MaxAgeMs: new(int64(20_000))}))
				defer f.close()
				const revisions = 300
				done := make(chan bool)
				go func() { // the faults; one node is always well
					defer close(done)
					for range revisions - 1 {
						time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
						f.change()
						n := f.nodes[1+random.IntN(3)]
						switch random.IntN(12) {
						case 0:
							n.kill()
							time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
							n.start()
						case 1:
							n.hang(true)
							time.Sleep(time.Duration(random.IntN(6000)) * time.Millisecond)
							n.hang(false)
						case 2:
							n.drain()
							n.start()
						}
					}
				}()
				reopened := 0
				want := int64(1)
				for m, err := range resume.Messages(t.Context(), f.stub.Watch, fromTheFirst(), resume.OnReopen(func(resume.Reopening) { reopened++ })) {
					if err != nil {
						t.Fatal(err)
					}
					if m.GetRevision() != want {
						t.Fatalf("revision %d, want %d", m.GetRevision(), want)
					}
					if want++; want > revisions {
						break
					}
				}
				<-done
				if reopened == 0 {
					t.Error("no stream was opened again: nothing was tested")
				}
			})
		})
	}
}

// A node that hangs is left within the silence limit, and not returned to.
func TestAHungNodeIsLeftWithinTheSilence(t *testing.T) {
	for _, breaks := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, 3, nil, ofWatch(&surefootv1.Stream{SilenceMs: new(int64(3000)), SilenceBreaks: &breaks}))
			defer f.close()
			var start time.Time
			var hung string
			for m, err := range resume.Messages(t.Context(), f.stub.Watch, fromTheFirst()) {
				if err != nil {
					t.Fatal(err)
				}
				switch m.GetRevision() {
				case 1:
					hung, start = m.GetServer(), time.Now()
					f.node(hung).hang(true)
					f.change()
					continue
				case 2:
				}
				if took := time.Since(start); took < 3*time.Second || took > 4*time.Second || m.GetServer() == hung {
					t.Errorf("breaks %v: from %s after %v, %s hangs", breaks, m.GetServer(), took, hung)
				}
				break
			}
		})
	}
}

// A stream that has reached its maximum age goes on elsewhere, whoever's turn it
// is.
func TestTheNextStreamIsOnAnotherEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2, nil, ofWatch(&surefootv1.Stream{MaxAgeMs: new(int64(1000))}))
		defer f.close()
		var at []string
		start := time.Now()
		for m, err := range resume.Messages(t.Context(), f.stub.Watch, fromTheFirst(), resume.OnReopen(func(r resume.Reopening) {
			if r.Wait != 0 {
				t.Errorf("waits %v after %v", r.Wait, r.Err)
			}
			f.change()
			if _, err := f.stub.Get(t.Context(), &inventoryv1.GetRequest{Sku: "bolt"}); err != nil { // takes a turn
				t.Error(err)
			}
		})) {
			if err != nil {
				t.Fatal(err)
			}
			if n := len(at); n > 0 && at[n-1] == m.GetServer() {
				t.Fatalf("twice on %s, after %v", m.GetServer(), at)
			}
			if at = append(at, m.GetServer()); len(at) == 10 {
				break
			}
		}
		if took := time.Since(start); took < 8100*time.Millisecond || took > 9*time.Second {
			t.Errorf("nine streams of at most 1 s took %v", took)
		}
	})
}

// scripted streams, one after the other, what its script says.
type scripted struct {
	inventoryv1.UnimplementedInventoryServer
	streams *[]script
	asked   *[]int64
}

type script struct {
	send []int64 // revisions
	end  error
}

func (s scripted) Get(context.Context, *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
	return &inventoryv1.GetResponse{}, nil
}

func (s scripted) Watch(r *inventoryv1.WatchRequest, w inventoryv1.Inventory_WatchServer) error {
	*s.asked = append(*s.asked, r.GetFromRevision())
	if len(*s.streams) == 0 {
		return status.Error(codes.OutOfRange, "the script is over")
	}
	now := (*s.streams)[0]
	*s.streams = (*s.streams)[1:]
	for _, r := range now.send {
		if err := w.Send(&inventoryv1.WatchResponse{Revision: r}); err != nil {
			return err
		}
	}
	return now.end
}

// play runs a script and returns the revisions that came, those that were asked
// for, how long it took and how it ended.
func play(t *testing.T, step int64, streams []script) (got, asked []int64, took time.Duration, end error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, func(inventoryv1.InventoryServer) inventoryv1.InventoryServer {
			return scripted{streams: &streams, asked: &asked}
		}, ofWatch(&surefootv1.Stream{Resume: &surefootv1.Resume{Step: &step}}),
			surefoot.WithHouseDefaults(&surefootv1.Service{Defaults: &surefootv1.Method{
				Retry: &surefootv1.Retry{MaxAttempts: new(int32(1))}, Breaker: &surefootv1.Breaker{Off: new(true)},
			}}))
		defer f.close()
		start := time.Now()
		for m, err := range resume.Messages(t.Context(), f.stub.Watch, fromTheFirst()) {
			if err != nil {
				end = err
				break
			}
			got = append(got, m.GetRevision())
		}
		took = time.Since(start)
	})
	return got, asked, took, end
}

func TestWhatAServerSendsAgainIsLeftOut(t *testing.T) {
	gone := status.Error(codes.Unavailable, "gone")
	for _, c := range []struct {
		name       string
		step       int64
		streams    []script
		got, asked []int64
		end        codes.Code
	}{
		{"it goes on", 1, []script{{[]int64{1, 2}, gone}, {[]int64{3}, nil}}, []int64{1, 2, 3}, []int64{1, 3}, codes.OK},
		{"from the last one seen", 0, []script{{[]int64{1, 2}, gone}, {[]int64{2, 3}, nil}}, []int64{1, 2, 3}, []int64{1, 2}, codes.OK},
		{"it sends more than was asked for", 1, []script{{[]int64{1, 2, 3}, gone}, {[]int64{1, 2, 3, 4}, nil}}, []int64{1, 2, 3, 4}, []int64{1, 4}, codes.OK},
		{"nothing has come yet", 1, []script{{nil, gone}, {[]int64{7}, nil}}, []int64{7}, []int64{1, 1}, codes.OK},
		{"several of one cursor", 0, []script{{[]int64{5, 6, 6}, gone}, {[]int64{6, 6, 6, 7}, gone}, {[]int64{7, 8}, nil}},
			[]int64{5, 6, 6, 6, 7, 8}, []int64{1, 6, 7}, codes.OK},
		{"several of one cursor, and it breaks among them", 0, []script{{[]int64{6}, gone}, {[]int64{6, 6}, gone}, {[]int64{6, 6, 6, 6}, nil}},
			[]int64{6, 6, 6, 6}, []int64{1, 6, 6}, codes.OK},
		{"messages without a cursor", 1, []script{{[]int64{0, 3, 0}, gone}, {[]int64{0, 3, 4, 0}, nil}}, []int64{0, 3, 0, 0, 4, 0}, []int64{1, 4}, codes.OK},
		{"only messages without a cursor", 1, []script{{[]int64{0, 0}, gone}, {[]int64{0, 0, 0, 1}, nil}}, []int64{0, 0, 0, 1}, []int64{1, 1}, codes.OK},
		{"the server's own order", 1, []script{{[]int64{5, 4, 6}, gone}, {[]int64{7}, nil}}, []int64{5, 4, 6, 7}, []int64{1, 7}, codes.OK},
		{"an answer ends it", 1, []script{{[]int64{1}, status.Error(codes.NotFound, "no")}}, []int64{1}, []int64{1}, codes.NotFound},
		{"compacted", 1, []script{{[]int64{1}, gone}, {nil, status.Error(codes.OutOfRange, "compacted")}}, []int64{1}, []int64{1, 2}, codes.OutOfRange},
		{"refused for now", 1, []script{{[]int64{1}, status.Error(codes.ResourceExhausted, "later")}, {[]int64{2}, nil}}, []int64{1}, []int64{1}, codes.ResourceExhausted},
		{"the server is broken", 1, []script{{[]int64{1}, status.Error(codes.Internal, "bug")}}, []int64{1}, []int64{1}, codes.Internal},
		{"a timeout of the server", 1, []script{{[]int64{1}, status.Error(codes.DeadlineExceeded, "slow")}, {[]int64{2}, nil}}, []int64{1, 2}, []int64{1, 2}, codes.OK},
	} {
		got, asked, _, end := play(t, c.step, c.streams)
		if fmt.Sprint(got) != fmt.Sprint(c.got) || fmt.Sprint(asked) != fmt.Sprint(c.asked) || status.Code(end) != c.end {
			t.Errorf("%s: %v, asked for %v, %v: want %v, %v, %v", c.name, got, asked, end, c.got, c.asked, c.end)
		}
	}
}

func TestStreamsThatDeliverNothingWaitLongerEachTime(t *testing.T) {
	gone := script{nil, status.Error(codes.Unavailable, "gone")}
	var streams []script
	for range 20 {
		streams = append(streams, gone)
	}
	_, asked, took, _ := play(t, 1, streams)
	// Half of 100, 200, … 6400 ms and 13 times 10 s, by chance.
	if len(asked) != 21 || took < 30*time.Second || took > 120*time.Second {
		t.Errorf("%d streams in %v", len(asked), took)
	}
	streams = nil
	for i := range int64(21) {
		streams = append(streams, script{[]int64{i + 1}, gone.end})
	}
	if got, _, took, _ := play(t, 1, streams); len(got) != 21 || took > 21*100*time.Millisecond {
		t.Errorf("%d messages in %v, of streams that each deliver one", len(got), took)
	}
}

func TestALoopEndsWithItsContext(t *testing.T) {
	for name, hang := range map[string]bool{"in a stream": false, "between streams": true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, 1, nil)
			defer f.close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			start := time.Now()
			var last error
			for _, err := range resume.Messages(ctx, f.stub.Watch, fromTheFirst()) {
				if last != nil {
					t.Errorf("%s: %v after %v", name, err, last)
				}
				if last = err; hang && err == nil {
					f.nodes[0].kill()
				}
			}
			if took := time.Since(start); status.Code(last) != codes.DeadlineExceeded || took != time.Minute {
				t.Errorf("%s: %v after %v, want DEADLINE_EXCEEDED after 1m", name, last, took)
			}
		})
	}
}

func TestALoopThatIsLeftEndsItsStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2, nil)
		defer f.close()
		messages := resume.Messages(t.Context(), f.stub.Watch, fromTheFirst())
		for range 2 { // and begins anew
			for m, err := range messages {
				if err != nil || m.GetRevision() != 1 {
					t.Errorf("%v, %v", m, err)
				}
				break
			}
		}
		synctest.Wait()
		f.mu.Lock()
		defer f.mu.Unlock()
		n := 0
		for _, a := range f.attempts {
			if a.Verdict == "abandoned" {
				n++
			}
		}
		if n != 2 {
			t.Errorf("%d streams ended of 2: %+v", n, f.attempts)
		}
	})
}

func TestAMethodWithoutACursorIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, nil)
		defer f.close()
		n := 0
		open := func(ctx context.Context, r *inventoryv1.WatchRequest, opts ...grpc.CallOption) (grpc.ServerStreamingClient[inventoryv1.GetResponse], error) {
			s, err := f.stub.Watch(ctx, r, opts...)
			return &grpc.GenericClientStream[inventoryv1.WatchRequest, inventoryv1.GetResponse]{ClientStream: s}, err
		}
		for _, err := range resume.Messages(t.Context(), open, fromTheFirst()) {
			if n++; err == nil || !strings.Contains(err.Error(), `inventory.v1.GetResponse has no field "revision"`) {
				t.Error(err)
			}
		}
		if n != 1 {
			t.Errorf("%d elements", n)
		}
	})
}

// A client of others knows no contract; the .proto does.
func TestAPlainClientHasTheCursorOfTheProto(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, nil)
		defer f.close()
		plain := plainStub(t, f.nodes[0])
		defer plain.close()
		want := int64(1)
		for m, err := range resume.Messages(t.Context(), plain.stub.Watch, fromTheFirst()) {
			if err != nil || m.GetRevision() != want {
				t.Fatalf("%v, %v, want revision %d", m, err, want)
			}
			if want++; want == 5 {
				break
			}
			f.nodes[0].kill()
			f.nodes[0].start()
			f.change()
		}
	})
}

func TestACursorMayBeGivenByFunctions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2, nil)
		defer f.close()
		want := int64(1)
		for m, err := range resume.MessagesBy(t.Context(), f.stub.Watch, fromTheFirst(),
			func(m *inventoryv1.WatchResponse) int64 { return m.GetRevision() },
			func(seen int64) *inventoryv1.WatchRequest {
				return &inventoryv1.WatchRequest{Sku: "bolt", FromRevision: seen} // and again
			}) {
			if err != nil || m.GetRevision() != want {
				t.Fatalf("%v, %v, want revision %d", m, err, want)
			}
			if want++; want == 5 {
				break
			}
			n := f.node(m.GetServer())
			n.kill()
			n.start()
			f.change()
		}
	})
}

// A text has no order: only what is equal is left out.
func TestATextIsNoNumber(t *testing.T) {
	tokens := [][]string{{"z", "b"}, {"b", "a", "c"}, {"x"}}
	var asked []string
	open := func(_ context.Context, token string, _ ...grpc.CallOption) (*listed, error) {
		asked = append(asked, token)
		if len(tokens) == 0 {
			return nil, status.Error(codes.NotFound, "over")
		}
		l := &listed{tokens[0]}
		tokens = tokens[1:]
		return l, nil
	}
	var got []string
	var end error
	for m, err := range resume.MessagesBy(t.Context(), open, "", func(m string) string { return m }, func(c string) string { return c },
		resume.Backoff(0, 0)) {
		if end = err; err == nil {
			got = append(got, m)
		}
	}
	if fmt.Sprint(got) != "[z b a c x]" || fmt.Sprint(asked) != "[ b c x]" || status.Code(end) != codes.NotFound {
		t.Errorf("%v, asked %v, %v", got, asked, end)
	}
}

// listed is a stream of texts that breaks at its end.
type listed struct{ rest []string }

func (l *listed) Recv() (string, error) {
	if len(l.rest) == 0 {
		return "", status.Error(codes.Unavailable, "broken")
	}
	m := l.rest[0]
	l.rest = l.rest[1:]
	return m, nil
}

// An error of another kind than gRPC's is final.
func TestAnErrorThatNobodyKnowsIsFinal(t *testing.T) {
	mine := errors.New("mine")
	open := func(context.Context, string, ...grpc.CallOption) (*listed, error) { return nil, mine }
	n := 0
	for _, err := range resume.MessagesBy(t.Context(), open, "", func(m string) string { return m }, func(c string) string { return c }) {
		if n++; !errors.Is(err, mine) {
			t.Error(err)
		}
	}
	if n != 1 {
		t.Errorf("%d elements", n)
	}
}

// A text that is set and empty is a position; one that is not set is none, and
// moves nothing. (What is enumerated has the presence of proto2.)
func TestAnEmptyTextThatIsSetIsAPosition(t *testing.T) {
	none, empty, a := (*string)(nil), new(""), new("a")
	streams := [][]*string{{none, empty, empty}, {none, empty, empty, empty, a}}
	var asked []string
	open := func(_ context.Context, r *descriptorpb.EnumValueDescriptorProto, opts ...grpc.CallOption) (*named, error) {
		for _, o := range opts {
			if s, ok := o.(*series.Series); ok {
				s.Begin(&policy.Method{Stream: policy.Stream{Resume: policy.Resume{RequestField: "name", ResponseField: "name"}}})
			}
		}
		asked = append(asked, said(r.Name))
		if len(streams) == 0 {
			return nil, status.Error(codes.NotFound, "over")
		}
		s := &named{streams[0]}
		streams = streams[1:]
		return s, nil
	}
	var got []string
	for m, err := range resume.Messages(t.Context(), open, &descriptorpb.EnumValueDescriptorProto{}, resume.Backoff(0, 0)) {
		if err == nil {
			got = append(got, said(m.Name))
		} else if status.Code(err) != codes.NotFound {
			t.Error(err)
		}
	}
	if want := `[none "" "" none "" "a"]`; fmt.Sprint(got) != want || fmt.Sprint(asked) != `[none "" "a"]` {
		t.Errorf("%v, asked for %v; want %s", got, asked, want)
	}
}

func said(name *string) string {
	if name == nil {
		return "none"
	}
	return strconv.Quote(*name)
}

// named is a stream of what has these names, that breaks at its end.
type named struct{ rest []*string }

func (n *named) Recv() (*descriptorpb.EnumValueDescriptorProto, error) {
	if len(n.rest) == 0 {
		return nil, status.Error(codes.Unavailable, "broken")
	}
	m := &descriptorpb.EnumValueDescriptorProto{Name: n.rest[0]}
	n.rest = n.rest[1:]
	return m, nil
}

// judged is an error that a client of Surefoot's returns.
type judged struct {
	error
	verdict string
}

func (j judged) Verdict() string { return j.verdict }
func (j judged) Unwrap() error   { return j.error }

// leaving is a stream whose caller leaves just before it ends with err.
type leaving struct {
	leave func()
	err   error
}

func (l leaving) Recv() (string, error) {
	l.leave()
	return "", l.err
}

// Who has left is told so, whatever his stream ended with in the same moment, unless
// that was the server's last word.
func TestALoopOfACallerThatHasLeft(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want codes.Code
	}{
		{"its stream breaks", status.Error(codes.Unavailable, "gone"), codes.Canceled},
		{"it is lost", judged{status.Error(codes.Unavailable, "gone"), "lost"}, codes.Canceled},
		{"its contract's time is over", judged{status.Error(codes.DeadlineExceeded, "late"), "expired"}, codes.Canceled},
		{"it is cancelled with it", judged{status.Error(codes.Canceled, "the story"), "abandoned"}, codes.Canceled},
		{"the server has answered", judged{status.Error(codes.NotFound, "no"), "answer"}, codes.NotFound},
		{"the server has no more", io.EOF, codes.OK},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		open := func(context.Context, string, ...grpc.CallOption) (leaving, error) { return leaving{cancel, c.err}, nil }
		var end error
		n := 0
		for _, err := range resume.MessagesBy(ctx, open, "", func(m string) string { return m }, func(c string) string { return c },
			resume.OnReopen(func(resume.Reopening) { t.Errorf("%s: opened again", c.name) })) {
			end = err
			n++
		}
		if status.Code(end) != c.want || n > 1 || c.want == codes.Canceled && !strings.Contains(end.Error(), status.Convert(c.err).Message()) {
			t.Errorf("%s: %v", c.name, end)
		}
		cancel()
	}
}

// numbers is a stream of numbers that breaks at its end.
type numbers[C resume.Cursor] struct{ rest []C }

func (n *numbers[C]) Recv() (C, error) {
	if len(n.rest) == 0 {
		var none C
		return none, status.Error(codes.Unavailable, "broken")
	}
	m := n.rest[0]
	n.rest = n.rest[1:]
	return m, nil
}

// resumed returns what is delivered of streams of numbers, and what was asked for.
func resumed[C resume.Cursor](t *testing.T, streams ...[]C) (got, asked []C) {
	t.Helper()
	open := func(_ context.Context, c C, _ ...grpc.CallOption) (*numbers[C], error) {
		asked = append(asked, c)
		if len(streams) == 0 {
			return nil, status.Error(codes.NotFound, "over")
		}
		s := &numbers[C]{streams[0]}
		streams = streams[1:]
		return s, nil
	}
	same := func(c C) C { return c }
	var first C
	for m, err := range resume.MessagesBy(t.Context(), open, first, same, same, resume.Backoff(0, 0)) {
		if err == nil {
			got = append(got, m)
		} else if status.Code(err) != codes.NotFound {
			t.Error(err)
		}
	}
	return got, asked
}

// Numbers have their order, below zero as well: what is behind is left out.
func TestNumbersHaveTheirOrder(t *testing.T) {
	check := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	check(fmt.Sprint(resumed(t, []int8{-3, -1}, []int8{-3, -2, -1, 1}, []int8{-1, 1, 127})), "[-3 -1 1 127] [0 -1 1 127]")
	check(fmt.Sprint(resumed(t, []int64{5, 7}, []int64{5, 6, 7, 8})), "[5 7 8] [0 7 8]")
	check(fmt.Sprint(resumed(t, []uint8{200, 250}, []uint8{1, 200, 250, 255})), "[200 250 255] [0 250 255]")
	check(fmt.Sprint(resumed(t, []uint64{1 << 63, 1<<63 + 1}, []uint64{1, 1 << 63, 1<<63 + 2})),
		"[9223372036854775808 9223372036854775809 9223372036854775810] [0 9223372036854775809 9223372036854775810]")
	// A text is left out only if it is the same, and at the beginning.
	check(fmt.Sprint(resumed(t, []string{"b", "c"}, []string{"a", "c", "d"})), "[b c a c d] [ c d]")
}
