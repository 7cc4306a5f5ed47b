package contract

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/internal/fieldpath"
	"github.com/surefoot-rpc/surefoot/policy"
)

// applyStream returns s with what so sets. A cursor is one method's.
func applyStream(s policy.Stream, so *surefootv1.Stream, own bool) policy.Stream {
	if so == nil {
		return s
	}
	setMillis(&s.FirstMessageTimeout, so.FirstMessageTimeoutMs)
	setMillis(&s.Silence, so.SilenceMs)
	assign(&s.SilenceBreaks, so.SilenceBreaks)
	setMillis(&s.MaxAge, so.MaxAgeMs)
	setMillis(&s.SendTimeout, so.SendTimeoutMs)
	if r := so.GetResume(); r != nil && own {
		assign(&s.Resume.RequestField, r.RequestField)
		assign(&s.Resume.ResponseField, r.ResponseField)
		assign(&s.Resume.Step, r.Step)
	}
	return s
}

// ofUnary is what is wrong with options of streams for a method without any.
const ofUnary = "is set, but the method is unary: remove it"

// shared reports what is said of several methods and can only be one's.
func (p *problems) shared(at place, prefix string, mo *surefootv1.Method) {
	if mo.GetIdempotencyKey().GetField() != "" {
		p.add(at, prefix+"idempotency_key.field", "names a field of one method's request: set it on the method, or name a header that all of them use")
	}
	if mo.GetStream().GetResume() != nil {
		p.add(at, prefix+"stream.resume", "names the fields of one method's messages: set it on the method")
	}
}

// cursor reports a cursor that the messages of md do not have.
func (p *problems) cursor(at place, r policy.Resume, md protoreflect.MethodDescriptor) {
	if r.RequestField == "" || r.ResponseField == "" || md.IsStreamingClient() {
		return // which was told
	}
	request := p.cursorField(at, "stream.resume.request_field", md.Input(), r.RequestField)
	response := p.cursorField(at, "stream.resume.response_field", md.Output(), r.ResponseField)
	if request == nil || response == nil {
		return
	}
	if request.Kind() != response.Kind() {
		p.add(at, "stream.resume.request_field", fmt.Sprintf("is %q, a field of type %v, and response_field is %q, of type %v: name two of one type",
			r.RequestField, request.Kind(), r.ResponseField, response.Kind()))
	}
	if kind := response.Kind(); r.Step != 0 && (kind == protoreflect.StringKind || kind == protoreflect.BytesKind) {
		p.add(at, "stream.resume.step", fmt.Sprintf("is %d, but %q is no number: remove it", r.Step, r.ResponseField))
	}
}

// cursorField returns the field of md at path, nil if it cannot be a cursor.
func (p *problems) cursorField(at place, field string, md protoreflect.MessageDescriptor, path string) protoreflect.FieldDescriptor {
	found, err := fieldpath.Of(md, path)
	if err != nil {
		p.add(at, field, fmt.Sprintf("is %q: %v", path, err))
		return nil
	}
	last := found.Last()
	switch last.Kind() {
	case protoreflect.BoolKind, protoreflect.EnumKind, protoreflect.FloatKind, protoreflect.DoubleKind,
		protoreflect.MessageKind, protoreflect.GroupKind:
		p.add(at, field, fmt.Sprintf("is %q, a field of type %v, which cannot be a cursor: name an integer, a string or bytes", path, last.Kind()))
		return nil
	default:
		return last
	}
}

// futileStream reports what the options of a streaming method set themselves
// and what can never take effect.
func (p *problems) futileStream(at place, prefix string, mo *surefootv1.Method) {
	deadline, so := mo.GetDeadlineMs(), mo.GetStream()
	if deadline <= 0 {
		return
	}
	for _, limit := range []struct {
		field string
		ms    int64
	}{
		{"first_message_timeout_ms", so.GetFirstMessageTimeoutMs()}, {"silence_ms", so.GetSilenceMs()},
		{"max_age_ms", so.GetMaxAgeMs()}, {"send_timeout_ms", so.GetSendTimeoutMs()},
	} {
		if limit.ms >= deadline {
			p.add(at, prefix+"stream."+limit.field, fmt.Sprintf("is %d, and the deadline is %d, so it could never take effect: lower it, or raise deadline_ms", limit.ms, deadline))
		}
	}
}
