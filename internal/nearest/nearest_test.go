package nearest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/surefoot-rpc/surefoot/internal/nearest"
)

func TestHint(t *testing.T) {
	many := make([]string, 20)
	for i := range many {
		many[i] = fmt.Sprintf("name%02d", i)
	}
	for _, test := range []struct {
		got   string
		names []string
		want  string
	}{
		{"deadine_ms", []string{"retry", "deadline_ms"}, `did you mean "deadline_ms"?`},
		{"Retry", []string{"retry", "deadline_ms"}, `did you mean "retry"?`},
		{"kv", []string{"etcdserverpb.KV", "etcdserverpb.Watch"}, `did you mean "etcdserverpb.KV"?`},
		{"KV", []string{"a.KV", "b.KV"}, "use one of: a.KV, b.KV"},
		{"etcdserverpb.Lese", []string{"etcdserverpb.KV", "etcdserverpb.Lease"}, `did you mean "etcdserverpb.Lease"?`},
		{"x", []string{"y", "retry"}, "use one of: retry, y"},
		{"x", nil, "there is none"},
		{"quite different", many, "use one of: " + strings.Join(many[:12], ", ") + " and 8 more"},
	} {
		if got := nearest.Hint(test.got, test.names); got != test.want {
			t.Errorf("%q: %s, want %s", test.got, got, test.want)
		}
	}
}
