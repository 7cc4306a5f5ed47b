package contract_test

import (
	"errors"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/surefoot-rpc/surefoot/contract"
)

// mistakeOf returns what Compile says of one field of a contract whose value is n,
// "" if nothing. path begins with the message that the field is reached from.
func mistakeOf(t *testing.T, path string, n int64) string {
	t.Helper()
	options, method := &svc{}, &mth{}
	var m protoreflect.Message
	of, field, _ := strings.Cut(path, " ")
	if m = options.ProtoReflect(); of == "method" {
		m = method.ProtoReflect()
	}
	names := strings.Split(field, ".")
	for _, name := range names[:len(names)-1] {
		m = m.Mutable(m.Descriptor().Fields().ByName(protoreflect.Name(name))).Message()
	}
	m.Set(m.Descriptor().Fields().ByName(protoreflect.Name(names[len(names)-1])), protoreflect.ValueOfInt64(n))
	_, err := contract.Compile(contract.Sources{Contracts: []*given{{
		ServiceName: "far.v1.Far", Service: options, Methods: map[string]*givenM{"Call": {Method: proto.CloneOf(method)}},
	}}})
	if told, ok := errors.AsType[*contract.Error](err); ok {
		for _, p := range told.Problems {
			if p.Field == field {
				return p.Text
			}
		}
	}
	return ""
}

// A time that was meant in seconds is a mistake where it would do harm in
// silence. The page of the contract says the least value of each.
func TestSecondsAreNoMilliseconds(t *testing.T) {
	page, err := os.ReadFile("../docs/contract.md")
	if err != nil {
		t.Fatal(err)
	}
	for path, least := range map[string]int64{
		"service connection.connect_timeout_ms":   50,
		"service connection.keepalive_timeout_ms": 250,
		"service connection.tcp_user_timeout_ms":  250,
		"service connection.max_age_ms":           10_000,
		"service connection.drain_ms":             100,
		"service discovery.min_ttl_ms":            100,
		"service discovery.max_ttl_ms":            1_000,
		"service discovery.max_stale_ms":          1_000,
		"service balance.slow_start_ms":           100,
		"service balance.ejection.base_ms":        100,
		"service balance.ejection.max_ms":         100,
		"method breaker.open_ms":                  100,
		"method breaker.max_open_ms":              100,
		"method stream.max_age_ms":                1_000,
		"method stream.send_timeout_ms":           100,
		"method wait_for_ready_ms":                50,
		"method retry.max_elapsed_ms":             10,
	} {
		n := strconv.FormatInt(least, 10)
		want := "below the least of " + n + ": give it in milliseconds"
		for _, low := range []int64{1, least - 1} {
			if got := mistakeOf(t, path, low); got != "is "+strconv.FormatInt(low, 10)+", "+want {
				t.Errorf("%s of %d: %q", path, low, got)
			}
		}
		for _, fine := range []int64{0, least} {
			if got := mistakeOf(t, path, fine); strings.Contains(got, want) {
				t.Errorf("%s of %d: %q", path, fine, got)
			}
		}
		_, field, _ := strings.Cut(path, " ")
		name := field[strings.LastIndexByte(field, '.')+1:] // rows of two fields name the second so
		if row := regexp.MustCompile("(?m)^\\| .*[.`]" + name + "`.*(?i:at least) " + n + `\b`); !row.Match(page) {
			t.Errorf("docs/contract.md does not say that %s is at least %s", field, n)
		}
	}
}
