package channel

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
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
// the attempt is, or when the caller leaves, the latter at once if the attempt lingers
// or is over. While the caller stays, whatever has ended is not known to it any more.
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
			ctx, cancel := context.WithCancel(c)
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
			if abort := c.aborter(); abort != nil {
				abort()
			}
		}
		synctest.Wait()
		for _, x := range children {
			ended[x] = ended[x] || cancelled || left && follows
			if is := x.Err() != nil; ended[x] && !is || is && !ended[x] && !left {
				t.Fatalf("seed %d: %v: ended: %v, want %v", seed, did, is, ended[x])
			}
			ended[x] = x.Err() != nil
			want := context.Canceled
			if ended[x] && !errors.Is(x.Err(), want) {
				t.Fatalf("seed %d: %v: %v", seed, did, x.Err())
			}
		}
		if left || cancelled {
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
	c.follow() // the attempt is over
	leave()
	synctest.Wait()
	for _, x := range children {
		if x.Err() == nil {
			t.Fatalf("seed %d: %v: the caller left, and one of %d lives", seed, did, len(children))
		}
	}
}
