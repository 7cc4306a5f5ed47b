package channel

import (
	"context"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/surefoot-rpc/surefoot/policy"
)

// bring returns ctx with the key that the call brings, if it does, in the header
// that the contract names. All attempts are made with that context.
func (u *userOptions) bring(ctx context.Context, method string, p *policy.Method) (context.Context, error) {
	if u.key == "" {
		return ctx, nil
	}
	switch k := p.IdempotencyKey; {
	case k.Header != "":
		md, _ := metadata.FromOutgoingContext(ctx) // a copy
		if md == nil {
			md = make(metadata.MD, 1)
		}
		md.Set(k.Header, u.key)
		return metadata.NewOutgoingContext(ctx, md), nil
	case k.Field != "":
		return ctx, status.Errorf(codes.InvalidArgument, "surefoot: %s was not called: its idempotency key is the field %q of its request: "+
			"set it there, and leave call.WithIdempotencyKey out", method, k.Field)
	default:
		return ctx, status.Errorf(codes.InvalidArgument, "surefoot: %s was not called: the call brings an idempotency key, and the contract names no header for one: "+
			"have its owner declare idempotency_key, or leave call.WithIdempotencyKey out", method)
	}
}

// hasKey reports whether the call carries a key of its own where the contract
// says that keys are.
func (s *callState) hasKey(req any) bool {
	if h := s.policy.IdempotencyKey.Header; h != "" {
		s.keyed = keyIn(s.ctx, h) != ""
		return s.keyed
	}
	switch m := req.(type) {
	case proto.Message:
		return hasField(m.ProtoReflect(), s.policy.IdempotencyKey.Field)
	case protoadapt.MessageV1:
		return hasField(protoadapt.MessageV2Of(m).ProtoReflect(), s.policy.IdempotencyKey.Field)
	default:
		return false
	}
}

// keyIn returns the key in the header h of what is sent with ctx, "" if none.
func keyIn(ctx context.Context, h string) string {
	md, _ := metadata.FromOutgoingContext(ctx)
	if v := md[h]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// sendsKey returns why an attempt must not be sent with ctx: the key by which
// its call may be repeated is not, or no more, in it. An interceptor below ours
// may have replaced what is sent.
func (s *callState) sendsKey(ctx context.Context) error {
	h := s.policy.IdempotencyKey.Header
	if keyIn(ctx, h) == keyIn(s.ctx, h) {
		return nil
	}
	return status.Errorf(codes.Internal, "surefoot: %s was not called: an interceptor of attempts has changed the header %q, which holds the call's idempotency key, "+
		"so that the call could be applied twice: have it add to the metadata that it finds (metadata.AppendToOutgoingContext)", s.method, h)
}

// hasField reports whether the string or bytes at path, of names with dots, is
// not empty. The contract was checked against the message that the method takes;
// another one has no key.
func hasField(m protoreflect.Message, path string) bool {
	for {
		name, rest, deeper := strings.Cut(path, ".")
		fd := m.Descriptor().Fields().ByName(protoreflect.Name(name))
		if fd == nil || !m.Has(fd) || fd.IsList() || fd.IsMap() {
			return false
		}
		if !deeper {
			switch fd.Kind() {
			case protoreflect.StringKind:
				return m.Get(fd).String() != ""
			case protoreflect.BytesKind:
				return len(m.Get(fd).Bytes()) > 0
			default:
				return false
			}
		}
		if fd.Message() == nil {
			return false
		}
		m, path = m.Get(fd).Message(), rest
	}
}
