package policy_test

import (
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/surefoot-rpc/surefoot/policy"
)

func TestACodeSetHasWhatItWasMadeOf(t *testing.T) {
	s := policy.Codes(codes.Aborted, codes.Unavailable, codes.Aborted)
	for c := range codes.Code(40) {
		if got, want := s.Has(c), c == codes.Aborted || c == codes.Unavailable; got != want {
			t.Errorf("has %v: %v", c, got)
		}
	}
	if s != policy.Codes(codes.Unavailable, codes.Aborted) {
		t.Error("the order of the codes makes a difference")
	}
}

func TestCodesThatDoNotExistAreLeftOut(t *testing.T) {
	for _, c := range []codes.Code{32, 33, 46, 1 << 31} {
		if s := policy.Codes(c); s != 0 || s.Has(c) || (^policy.CodeSet(0)).Has(c) {
			t.Errorf("%d is in a set", uint32(c))
		}
	}
}

func TestACodeSetNamesItsCodesInTheirOrder(t *testing.T) {
	for want, s := range map[string]policy.CodeSet{
		"[]":                              0,
		"[ABORTED]":                       policy.Codes(codes.Aborted),
		"[CANCELLED ABORTED UNAVAILABLE]": policy.Codes(codes.Unavailable, codes.Canceled, codes.Aborted),
		"[Code(31)]":                      policy.Codes(31),
	} {
		if got := s.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestCodesHaveTheirNamesOfTheSpecification(t *testing.T) {
	for c := codes.OK; c <= codes.Unauthenticated; c++ {
		var parsed codes.Code
		name := strings.Trim(policy.Codes(c).String(), "[]")
		if err := parsed.UnmarshalJSON([]byte(strconv.Quote(name))); err != nil || parsed != c {
			t.Errorf("%v is %q: %v", c, name, err)
		}
	}
}
