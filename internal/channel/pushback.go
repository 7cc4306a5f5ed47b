package channel

import (
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/surefoot-rpc/surefoot/internal/engine/outcome"
	"github.com/surefoot-rpc/surefoot/internal/wire"
)

// pushback returns what the peer says of a repeat: in the trailer (gRFC A6), or
// else in a google.rpc.RetryInfo among the details of its status (AIP-194).
func pushback(err error, trailer metadata.MD) (p outcome.Pushback) {
	p.After, p.Stop, p.Given = wire.ReadPushback(trailer)
	p.Relayed = p.Stop && len(trailer[wire.Relayed]) > 0
	if p.Given {
		return p
	}
	for _, d := range status.Convert(err).Proto().GetDetails() {
		var info errdetails.RetryInfo
		if d.MessageIs(&info) && d.UnmarshalTo(&info) == nil && info.GetRetryDelay() != nil {
			p.After, p.Given = min(max(info.GetRetryDelay().AsDuration(), 0), wire.MaxPushback), true
			return p
		}
	}
	return p
}
