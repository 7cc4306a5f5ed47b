package channel

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/surefoot-rpc/surefoot/contract"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// The Go that we are built with does what attempts rely on. If this fails they
// still work, and cost more.
func TestPackageContextAsksItsParents(t *testing.T) {
	if cancelKey == nil {
		t.Error("package context no longer asks a parent's Value and AfterFunc: see abort.go")
	}
}

// A caller's context that counts who follows it.
type caller struct {
	context.Context
	following map[int]bool
}

func (c *caller) Value(any) any { return nil }

func (c *caller) AfterFunc(f func()) (stop func() bool) {
	n := len(c.following)
	c.following[n] = true
	unfollow := context.AfterFunc(c.Context, f)
	return func() bool {
		c.following[n] = false
		return unfollow()
	}
}

// What is derived from the context of a light attempt ends when it is cancelled, when
// the attempt is, or when the caller leaves, the latter at once if the attempt lingers.
// While the caller stays, whatever has ended is not known to it any more.
func TestWhatIsDerivedFromALightAttemptEndsWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(2000) {
			derive(t, seed)
		}
	})
}

func derive(t *testing.T, seed uint64) {
	type child struct {
		context.Context
		cancel func()
	}
	random := rand.New(rand.NewPCG(seed, 1))
	parent, leave := context.WithCancel(t.Context())
	defer leave()
	from := &caller{parent, make(map[int]bool)}
	c := &attemptContext{Context: from, light: true, late: random.IntN(4) > 0}
	var children []*child
	left, cancelled, ended := false, false, make(map[*child]bool)
	follows := !c.late
	var did []string
	for range 1 + random.IntN(8) {
		switch what := random.IntN(8); {
		case what < 3:
			did = append(did, "derive")
			ctx, cancel := context.WithTimeout(c, time.Duration(1+random.IntN(2))*time.Hour) // which may be cancelled more than once
			x := &child{ctx, cancel}
			children = append(children, x)
			ended[x] = left || cancelled
		case what < 5 && len(children) > 0:
			did = append(did, "end")
			x := children[random.IntN(len(children))]
			x.cancel()
			ended[x] = true
		case what == 5:
			did = append(did, "linger")
			c.follow()
			follows = true
		case what == 6 && random.IntN(2) == 0:
			did = append(did, "leave")
			leave()
			left = true
		case what == 7 && random.IntN(2) == 0:
			did = append(did, "cancel")
			c.cancelled.Store(true)
			cancelled = true
			c.drop()
		}
		synctest.Wait()
		for _, x := range children {
			ended[x] = ended[x] || cancelled || left && follows
			if is := x.Err() != nil; ended[x] && !is || is && !ended[x] && !left {
				t.Fatalf("seed %d: %v: ended: %v, want %v", seed, did, is, ended[x])
			}
			ended[x] = x.Err() != nil
			if ended[x] && !errors.Is(x.Err(), context.Canceled) {
				t.Fatalf("seed %d: %v: %v", seed, did, x.Err())
			}
		}
		if left {
			continue
		}
		alive, following := 0, 0
		for _, x := range children {
			if x.Err() == nil {
				alive++
			}
		}
		for _, is := range from.following {
			if is {
				following++
			}
		}
		if following > alive || follows && following != alive {
			t.Fatalf("seed %d: %v: %d follow the caller, and %d live", seed, did, following, alive)
		}
	}
	c.follow() // it lingers
	leave()
	synctest.Wait()
	for _, x := range children {
		if x.Err() == nil {
			t.Fatalf("seed %d: %v: the caller left, and one of %d lives", seed, did, len(children))
		}
	}
}

// Filters of xDS may derive contexts that outlive the attempt: they follow at once.
func TestAttemptsOfXDSFollowAtOnce(t *testing.T) {
	table, err := contract.Compile(contract.Sources{Contracts: []*surefootv1.Contract{{
		ServiceName: "test.v1.Test", Service: &surefootv1.Service{Defaults: &surefootv1.Method{DeadlineMs: new(int64(0)), AttemptTimeoutMs: new(int64(250))}},
		Methods: map[string]*surefootv1.MethodContract{"Get": {IdempotencyLevel: surefootv1.IdempotencyLevel_NO_SIDE_EFFECTS.Enum()}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for target, late := range map[string]bool{"dns:///test": true, "xds:///test": false} {
		ch := New(Config{Target: target, Ordinal: -1, Table: table, Random: func() uint64 { return 0 }})
		defer connect(ch, "a")()
		asked := false
		err := ch.unary(t.Context(), "/test.v1.Test/Get", nil, nil, nil, func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
			c, ok := ctx.(*attemptContext)
			if !ok || !c.light || c.late != late {
				t.Errorf("%s: %+v", target, c)
			}
			asked = true
			return nil
		})
		if err != nil || !asked {
			t.Error(err)
		}
	}
}
