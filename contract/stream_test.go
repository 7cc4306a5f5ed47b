package contract_test

import (
	"testing"
	"time"

	"github.com/surefoot-rpc/surefoot/contract"
	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/policy"
)

// Every field of a stream reaches the policy from every place, and a later
// place replaces it alone.
func TestEachFieldOfAStreamReachesThePolicy(t *testing.T) {
	house := policy.Stream{Silence: 10 * time.Second}
	for _, field := range []struct {
		name string
		set  func(s *stream, v int64)
		want func(s *policy.Stream, v int64)
	}{
		{"first_message_timeout_ms", func(s *stream, v int64) { s.FirstMessageTimeoutMs = &v },
			func(s *policy.Stream, v int64) { s.FirstMessageTimeout = time.Duration(v) * ms }},
		{"silence_ms", func(s *stream, v int64) { s.SilenceMs = &v },
			func(s *policy.Stream, v int64) { s.Silence = time.Duration(v) * ms }},
		{"silence_breaks", func(s *stream, v int64) { s.SilenceBreaks = new(v%2 == 0) },
			func(s *policy.Stream, v int64) { s.SilenceBreaks = v%2 == 0 }},
		{"max_age_ms", func(s *stream, v int64) { s.MaxAgeMs = &v },
			func(s *policy.Stream, v int64) { s.MaxAge = time.Duration(v) * ms }},
		{"send_timeout_ms", func(s *stream, v int64) { s.SendTimeoutMs = &v },
			func(s *policy.Stream, v int64) { s.SendTimeout = time.Duration(v) * ms }},
	} {
		for bits := range 1 << 4 {
			want := house
			said := make([]*mth, 4)
			for place := range said {
				if bits>>place&1 != 0 {
					said[place] = &mth{Stream: &stream{}}
					field.set(said[place].Stream, int64(2000+place))
					field.want(&want, int64(2000+place))
				}
			}
			table := compile(t, contract.Sources{
				House:     &svc{Defaults: said[0]},
				Services:  build(t, spec{name: "Shop", options: &svc{Defaults: said[1]}, methods: []rpc{{name: "Watch", replies: true, options: said[2]}, {name: "Get"}}}),
				Contracts: []*given{{ServiceName: "shop.v1.Shop", Methods: map[string]*givenM{"Watch": {Method: said[3]}}}},
			})
			if got := lookup(t, table, "/shop.v1.Shop/Watch").Stream.Stream; got != want {
				t.Errorf("%s in %04b: %+v, want %+v", field.name, bits, got, want)
			}
			if got := lookup(t, table, "/shop.v1.Shop/Get").Unary.Stream; got != (policy.Stream{}) {
				t.Errorf("%s of a unary method: %+v", field.name, got)
			}
		}
	}
}

func TestACursorIsNamedByFields(t *testing.T) {
	options := cursor("self.revision", "revision", 1)
	table := compile(t, contract.Sources{
		Services: build(t, spec{name: "Shop", methods: []rpc{{name: "Watch", level: readOnly, replies: true, options: &mth{Stream: options}}}}),
	})
	want := policy.Resume{RequestField: "self.revision", ResponseField: "revision", Step: 1}
	if got := lookup(t, table, "/shop.v1.Shop/Watch").Stream.Stream.Resume; got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	// Nobody has the messages of a service that is not described.
	table = compile(t, contract.Sources{Contracts: []*given{{ServiceName: "etcdserverpb.KV", Methods: map[string]*givenM{
		"Range": {IdempotencyLevel: surefootv1.IdempotencyLevel_NO_SIDE_EFFECTS.Enum(), Method: &mth{Stream: options}},
	}}}})
	if got := lookup(t, table, "/etcdserverpb.KV/Range").Stream.Stream.Resume; got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
