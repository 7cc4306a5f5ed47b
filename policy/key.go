package policy

import "strings"

// A Key is where a call carries an idempotency key, by which the server knows a
// call that it has seen: in a header or in a field of the request. The zero Key
// is nowhere.
type Key struct {
	// Header is the name of the header, in lower case.
	Header string
	// Field is the path of a string or bytes field, with dots.
	Field string
}

// MayBeRepeatable reports whether a call of the method can be one of which an
// attempt that may have reached a handler may be repeated: each is, or those
// that carry a key are.
func (m *Method) MayBeRepeatable() bool {
	return m.Safety.Repeatable() || m.IdempotencyKey != Key{}
}

func (k Key) validate(bad func(field, format string, args ...any)) {
	const field = "idempotency_key.header"
	switch h := k.Header; {
	case !isHeader(h):
		bad(field, "is %q: use lower-case letters, digits, \"-\", \"_\" and \".\"", h)
	case strings.HasPrefix(h, "grpc-"), h == "content-type", h == "user-agent", h == "te":
		bad(field, "is %q, which gRPC itself uses: name a header of your own, such as \"idempotency-key\"", h)
	}
}
