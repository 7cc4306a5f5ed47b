package chain_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/internal/chain"
	"github.com/surefoot-rpc/surefoot/observe"
)

func TestACallIsFoundInWhatComesFromItsContext(t *testing.T) {
	type mine struct{}
	c := &chain.Call{Context: context.WithValue(t.Context(), mine{}, "kept")}
	derived, cancel := context.WithTimeout(context.WithValue(c, mine{}, "own"), time.Minute)
	defer cancel()
	for name, ctx := range map[string]context.Context{
		"its own": c, "a derived one": derived, "one of a goroutine that outlives it": context.WithoutCancel(c),
	} {
		if chain.From(ctx) != c {
			t.Errorf("%s: not found", name)
		}
	}
	if chain.From(t.Context()) != nil {
		t.Error("found where there is none")
	}
	if c.Value(mine{}) != "kept" || derived.Value(mine{}) != "own" {
		t.Error("the values of others are lost")
	}
	// The inner of two calls in one process, as a client in memory makes them.
	inner := &chain.Call{Context: derived}
	if chain.From(inner) != inner {
		t.Error("the outer one is found")
	}
}

func TestACallIsARepeatIfItSaysSoOrIsMadeForOne(t *testing.T) {
	for _, c := range []struct {
		md   metadata.MD
		want bool
	}{
		{nil, false},
		{metadata.Pairs("x-user", "u"), false},
		{metadata.Pairs("grpc-previous-rpc-attempts", "1"), true},
		{metadata.Pairs("grpc-previous-rpc-attempts", "0"), false},
		{metadata.Pairs("surefoot-repeated", "1"), true},
	} {
		ctx := context.Background()
		if c.md != nil {
			ctx = metadata.NewIncomingContext(ctx, c.md)
		}
		if got := (&chain.Call{Context: ctx}).IsRepeat(); got != c.want {
			t.Errorf("%v: %v", c.md, got)
		}
	}
}

// failed is the error of a call.
func failed(refused bool, code codes.Code) error {
	return callError{observe.Call{Err: status.Error(code, "down"), RepeatRefused: refused}}
}

// A callError is a CallError as the façade makes it.
type callError struct{ observe.Call }

func (e callError) Error() string              { return e.Err.Error() }
func (e callError) Unwrap() error              { return e.Err }
func (e callError) GRPCStatus() *status.Status { return status.Convert(e.Err) }
func (e callError) RepeatRefused() bool        { return e.Call.RepeatRefused }

var _ interface{ RepeatRefused() bool } = (*surefoot.CallError)(nil)

func TestAnErrorForbidsARepeatIfItStandsForACallOfWhichOneWasRefused(t *testing.T) {
	refused, final := failed(true, codes.Unavailable), failed(false, codes.Unavailable)
	for _, c := range []struct {
		name    string
		refused []codes.Code // calls that were made meanwhile
		err     error
		want    bool
	}{
		{"nothing", []codes.Code{codes.Unavailable}, nil, false},
		{"the refused call's, of whatever context", nil, refused, true},
		{"wrapped", nil, fmt.Errorf("stock: %w", refused), true},
		{"joined", nil, errors.Join(errors.New("x"), refused), true},
		{"another call's, beside a refused one", []codes.Code{codes.Unavailable}, final, false},
		{"another call's, wrapped", []codes.Code{codes.Unavailable}, fmt.Errorf("stock: %w", final), false},
		{"own, same code", []codes.Code{codes.Unavailable}, status.Error(codes.Unavailable, "no stock"), true},
		{"own, one of two codes", []codes.Code{codes.Aborted, codes.ResourceExhausted}, status.Error(codes.Aborted, ""), true},
		{"own, another code", []codes.Code{codes.Unavailable}, status.Error(codes.Internal, ""), false},
		{"own, no code", []codes.Code{codes.Unavailable}, errors.New("x"), false},
		{"own, no code, as one that was refused", []codes.Code{codes.Unknown}, errors.New("x"), true},
		{"own, nothing was refused", nil, status.Error(codes.Unavailable, ""), false},
		{"own, a code that nobody knows", []codes.Code{codes.Unavailable}, status.Error(32+codes.Unavailable, ""), false},
		{"a code that nobody knows was refused", []codes.Code{32 + codes.Unavailable}, status.Error(codes.Unavailable, ""), false},
	} {
		call := &chain.Call{Context: t.Context()}
		for _, code := range c.refused {
			call.Refuse(status.Error(code, "down"))
		}
		if got := call.ForbidsRepeat(c.err); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestCallsThatAreMadeAtTheSameTimeAreAllNoted(t *testing.T) {
	call := &chain.Call{Context: t.Context()}
	var wg sync.WaitGroup
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		wg.Go(func() { call.Refuse(status.Error(code, "")) })
	}
	wg.Wait()
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		if !call.ForbidsRepeat(status.Error(code, "")) {
			t.Errorf("%v is not noted", code)
		}
	}
}
