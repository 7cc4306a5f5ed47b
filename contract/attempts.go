package contract

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/fieldpath"
	"github.com/surefoot-rpc/surefoot/policy"
)

// applyAttempts sets what mo says of how attempts are repeated. What needs a
// deadline, and was inherited, is dropped with it.
func applyAttempts(m policy.Method, mo *surefootv1.Method, own bool) policy.Method {
	if mo == nil {
		return m
	}
	until := m.Retry.UntilDeadline
	m.Retry = applyRetry(m.Retry, mo.GetRetry())
	if m.Streaming && !own {
		m.Retry.UntilDeadline = until && m.Retry.UntilDeadline // the deadlines said for several are the unary ones'
	}
	if m.Deadline == 0 && !mo.GetRetry().GetUntilDeadline() {
		m.Retry.UntilDeadline = false
	}
	setMillis(&m.WaitForReady, mo.WaitForReadyMs)
	if k := mo.GetIdempotencyKey(); k != nil && !m.Streaming {
		m.IdempotencyKey = policy.Key{Header: k.GetHeader(), Field: k.GetField()}
	}
	return m
}

// overlayLimit clears in to what from replaces: how many attempts there may be,
// and that the deadline bounds them, answer one question.
func overlayLimit(to *surefootv1.Retry, from proto.Message) {
	r, _ := from.(*surefootv1.Retry)
	switch {
	case r.GetUntilDeadline():
		to.MaxAttempts = nil
	case r.MaxAttempts != nil:
		to.UntilDeadline = nil
	}
}

// attempts reports what the options in mo say twice of attempts.
func (p *problems) attempts(at place, prefix string, mo *surefootv1.Method) {
	if r := mo.GetRetry(); r.GetUntilDeadline() && r.MaxAttempts != nil {
		p.add(at, prefix+"retry.max_attempts", fmt.Sprintf("is %d beside until_deadline, which takes its place: remove one of the two", r.GetMaxAttempts()))
	}
}

// keyField reports a field that cannot hold the key of a call of md, which is
// nil if nobody knows.
func (p *problems) keyField(at place, k policy.Key, md protoreflect.MethodDescriptor) {
	const field = "idempotency_key.field"
	if k.Field == "" {
		return
	}
	if md == nil {
		p.add(at, field, fmt.Sprintf("is %q, but the .proto of the service is not linked into this program: import its generated code, or name a header", k.Field))
		return
	}
	path, err := fieldpath.Of(md.Input(), k.Field)
	if err != nil {
		p.add(at, field, fmt.Sprintf("is %q, but %v", k.Field, err))
		return
	}
	if kind := path.Last().Kind(); kind != protoreflect.StringKind && kind != protoreflect.BytesKind {
		p.add(at, field, fmt.Sprintf("is %q, of type %v: name a field of type string or bytes", k.Field, kind))
	}
}

const ownersKey = "whether a write that carries a key may be repeated is its owner's to say"

// checkKey reports a key that is given for a method whose owner speaks and names
// another, or none.
func (d declared) checkKey(given *surefootv1.Method, over place, owner string, p *problems) {
	k := given.GetIdempotencyKey()
	if k == nil || !d.owned || proto.Equal(k, d.options.GetIdempotencyKey()) {
		return
	}
	p.add(over, "idempotency_key", fmt.Sprintf("is set, but %s declares a contract and names another, or none; %s: "+
		"remove it here, or have it changed in that .proto", owner, ownersKey))
}

// ownersKey reports a key in a layer above the contract.
func (p *problems) ownersKey(at place, prefix string, says *surefootv1.Method) {
	if says.GetIdempotencyKey() != nil {
		p.add(at, prefix+"idempotency_key", "is set, but "+ownersKey+": set it in the contract of the method")
	}
}
