package channel_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot"
	"github.com/surefoot-rpc/surefoot/examples/inventory/inventoryv1"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// A call that is repeated until its deadline tells how it began and how it ended,
// and counts what was between.
func TestTheStoryOfALongCallIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, func(s *server) {
			s.get = func(_ context.Context, r *inventoryv1.GetRequest) (*inventoryv1.GetResponse, error) {
				if r.GetSku() == "gone" {
					return nil, status.Error(codes.Aborted, "again")
				}
				return &inventoryv1.GetResponse{}, nil
			}
		}, contractOf(map[string]*surefootv1.MethodContract{"Get": {Method: &surefootv1.Method{
			DeadlineMs: new(int64(60_000)), Retry: &surefootv1.Retry{
				UntilDeadline: new(true), Codes: []surefootv1.Code{surefootv1.Code_ABORTED},
				Backoff: &surefootv1.Backoff{BaseMs: new(int64(1)), MaxMs: new(int64(1))},
			},
		}}}, &surefootv1.Service{RetryBudget: &surefootv1.RetryBudget{RatioPercent: new(int32(100)), WindowMs: new(int64(3_600_000))}}))
		defer w.close()
		for range 100 {
			if _, err := w.stub.Get(t.Context(), getRequest); err != nil {
				t.Fatal(err)
			}
		}
		w.forget()
		_, err := w.stub.Get(t.Context(), &inventoryv1.GetRequest{Sku: "gone"})
		made := 0
		for _, s := range w.servers {
			made += int(s.gets.Load())
		}
		var told *surefoot.CallError
		if !errors.As(err, &told) || made < 50 {
			t.Fatalf("%v after %d attempts", err, made)
		}
		story := told.Call.Attempts
		if len(story) != 16 || told.Call.Omitted != made-16 {
			t.Fatalf("%d attempts are told and %d are omitted, of %d", len(story), told.Call.Omitted, made)
		}
		for i, a := range story {
			want := i + 1
			if i >= 8 {
				want = made - 15 + i
			}
			if a.Number != want {
				t.Errorf("attempt %d is told at %d, want %d", a.Number, i, want)
			}
		}
		if last := story[15].Next; last != "retry budget exhausted" {
			t.Errorf("the last one says %q", last)
		}
		text, gap := err.Error(), fmt.Sprintf("; attempt 8 on %s: Aborted after 0s: transient: backoff; %d more; attempt %d on ", story[7].Endpoint, made-16, made-7)
		if !strings.Contains(text, gap) || len(text) > 2000 {
			t.Errorf("told in %d bytes, without %q: %s", len(text), gap, text)
		}
		calls, attempts := w.seen()
		if len(attempts) != made || len(calls) != 1 || calls[0].Omitted != made-16 {
			t.Errorf("observers saw %d attempts of %d, and %+v", len(attempts), made, calls)
		}
	})
}
