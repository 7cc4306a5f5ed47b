package channel

import (
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/internal/wire"
)

// A peer may say when to come back in the trailer or in the details of its
// status; the trailer is believed first.
func TestThePushbackOfAStatus(t *testing.T) {
	in := func(d time.Duration) protoadapt.MessageV1 {
		return protoadapt.MessageV1Of(&errdetails.RetryInfo{RetryDelay: durationpb.New(d)})
	}
	after := func(d time.Duration) outcome.Pushback { return outcome.Pushback{Given: true, After: d} }
	for name, c := range map[string]struct {
		details []protoadapt.MessageV1
		trailer metadata.MD
		want    outcome.Pushback
	}{
		"nothing":             {},
		"details of another":  {details: []protoadapt.MessageV1{protoadapt.MessageV1Of(&errdetails.Help{})}},
		"RetryInfo":           {details: []protoadapt.MessageV1{protoadapt.MessageV1Of(&errdetails.Help{}), in(1500 * time.Millisecond)}, want: after(1500 * time.Millisecond)},
		"without a delay":     {details: []protoadapt.MessageV1{protoadapt.MessageV1Of(&errdetails.RetryInfo{})}},
		"at once":             {details: []protoadapt.MessageV1{in(0)}, want: after(0)},
		"in the past":         {details: []protoadapt.MessageV1{in(-time.Second)}, want: after(0)},
		"in a year":           {details: []protoadapt.MessageV1{in(365 * 24 * time.Hour)}, want: after(wire.MaxPushback)},
		"the trailer, before": {details: []protoadapt.MessageV1{in(time.Second)}, trailer: metadata.Pairs(wire.Pushback, "20"), want: after(20 * time.Millisecond)},
		"no repeat":           {details: []protoadapt.MessageV1{in(time.Second)}, trailer: metadata.Pairs(wire.Pushback, "-1"), want: outcome.Pushback{Given: true, Stop: true}},
	} {
		st, err := status.New(codes.Unavailable, "later").WithDetails(c.details...)
		if err != nil {
			t.Fatal(err)
		}
		if got := pushback(st.Err(), c.trailer); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
