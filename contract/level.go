package contract

import (
	"fmt"

	"google.golang.org/protobuf/types/descriptorpb"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/policy"
)

// declared is what the .proto of a method says of it.
type declared struct {
	options *surefootv1.Method // never nil
	level   *descriptorpb.MethodOptions_IdempotencyLevel
	// owned says that the .proto of the method, or of its service, carries
	// options of Surefoot: its owner knows what idempotency_level means here.
	owned bool
}

// safety returns whether the method may be repeated. A level that is given in
// Go says it for a .proto that is silent. It must not contradict one that
// speaks: whether a write may be applied twice is its owner's to say.
func (d declared) safety(given *surefootv1.IdempotencyLevel, over place, proto string, p *problems) policy.Safety {
	level := int32(descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN)
	says := "declares a contract and leaves it out"
	if d.level != nil {
		level, says = int32(*d.level), "says "+d.level.String()
	}
	if given == nil || int32(*given) == level {
		return safetyOf(level)
	}
	if _, known := surefootv1.IdempotencyLevel_name[int32(*given)]; !known {
		return safetyOf(level) // which was told
	}
	if d.owned || d.level != nil {
		p.add(over, "idempotency_level", fmt.Sprintf("is %v, but %s %s; whether the method may be repeated is its owner's to say: "+
			"remove it here, or have option idempotency_level changed in that .proto", *given, proto, says))
		return safetyOf(level)
	}
	return safetyOf(int32(*given))
}

func safetyOf(level int32) policy.Safety {
	switch descriptorpb.MethodOptions_IdempotencyLevel(level) {
	case descriptorpb.MethodOptions_NO_SIDE_EFFECTS:
		return policy.ReadOnly
	case descriptorpb.MethodOptions_IDEMPOTENT:
		return policy.Idempotent
	default:
		return policy.Unsafe
	}
}
