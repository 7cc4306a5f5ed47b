package policy

import "time"

// Stream is what a client does with an open stream. The zero Stream leaves it
// alone. Waits are those of a caller that waits: a caller that does not read, or
// write, is no fault of the server's.
type Stream struct {
	// FirstMessageTimeout is how long a caller waits for the server's first
	// message before the stream is ended. One of a server stream is then opened
	// elsewhere, if it may be. Zero is any time.
	FirstMessageTimeout time.Duration
	// Silence is how long a caller waits for a message before the stream's
	// connection is probed; twice as long before it is again. Zero is never.
	Silence time.Duration
	// SilenceBreaks says that such a silence ends the stream.
	SilenceBreaks bool
	// MaxAge is when a stream is ended, so that it can be opened elsewhere; up to
	// a tenth sooner, so that streams which began together do not end together.
	// Zero is never.
	MaxAge time.Duration
	// SendTimeout is how long a message may wait to be sent because the server
	// does not read. Zero is any time.
	SendTimeout time.Duration
	// Resume names the cursor of a server stream.
	Resume Resume
}

// Limits reports whether anything is to be watched.
func (s Stream) Limits() bool {
	return s.FirstMessageTimeout > 0 || s.Silence > 0 || s.MaxAge > 0 || s.SendTimeout > 0
}

// Ends reports whether anything ends a stream.
func (s Stream) Ends() bool {
	return s.FirstMessageTimeout > 0 || s.SilenceBreaks || s.MaxAge > 0 || s.SendTimeout > 0
}

// Resume names what of a response says how far a server stream has come, and
// what of a request says where one is to begin. The zero Resume names nothing.
type Resume struct {
	// RequestField and ResponseField are paths of fields, with dots.
	RequestField, ResponseField string
	// Step is added to a cursor that is a number before it is asked for.
	Step int64
}

// minStreamSilence bounds Silence: to probe more often is the work of keepalive.
const minStreamSilence = time.Second

func (s Stream) validate(bad func(field, format string, args ...any)) {
	for _, t := range []struct {
		field string
		value time.Duration
	}{
		{"first_message_timeout_ms", s.FirstMessageTimeout}, {"silence_ms", s.Silence},
		{"max_age_ms", s.MaxAge}, {"send_timeout_ms", s.SendTimeout},
	} {
		if t.value < 0 {
			bad("stream."+t.field, "is %d; a time cannot be negative: remove it to inherit, or set 0 for no limit", t.value.Milliseconds())
		}
	}
	if s.Silence > 0 && s.Silence < minStreamSilence {
		bad("stream.silence_ms", "is %d: set at least %d, or 0 for never", s.Silence.Milliseconds(), minStreamSilence.Milliseconds())
	}
	if s.SilenceBreaks && s.Silence == 0 {
		bad("stream.silence_breaks", "is true, but stream.silence_ms is 0, so it could never take effect: set the silence, or remove it")
	}
	switch r := s.Resume; {
	case r == Resume{}:
	case r.RequestField == "":
		bad("stream.resume.request_field", "is missing: name the field of the request that says where the stream is to begin")
	case r.ResponseField == "":
		bad("stream.resume.response_field", "is missing: name the field of the response that says how far the stream has come")
	case r.Step < 0:
		bad("stream.resume.step", "is %d: set 1 if the request names the first message wanted, 0 if it names the last one seen", r.Step)
	}
}
