package contract

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
	"github.com/surefoot-rpc/surefoot/policy"
)

// leaves calls visit with a Service that sets one field alone, for each scalar
// in it and each choice of a policy.
func leaves(visit func(path string, s *surefootv1.Service)) {
	var descend func(path string, md protoreflect.MessageDescriptor, chain []protoreflect.FieldDescriptor)
	descend = func(path string, md protoreflect.MessageDescriptor, chain []protoreflect.FieldDescriptor) {
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			if fd.Name() == "defaults" || fd.Name() == "profiles" {
				continue // of methods
			}
			at := slices.Concat(chain, []protoreflect.FieldDescriptor{fd})
			name := path + "." + string(fd.Name())
			if fd.Message() != nil && fd.Message().Fields().Len() > 0 {
				descend(name, fd.Message(), at)
				continue
			}
			s := &surefootv1.Service{}
			m := s.ProtoReflect()
			for _, step := range at[:len(at)-1] {
				m = m.Mutable(step).Message()
			}
			switch fd.Kind() {
			case protoreflect.MessageKind:
				m.Mutable(fd)
			case protoreflect.BoolKind:
				m.Set(fd, protoreflect.ValueOfBool(true))
			case protoreflect.StringKind:
				m.Set(fd, protoreflect.ValueOfString("x-some-key"))
			case protoreflect.Int32Kind:
				m.Set(fd, protoreflect.ValueOfInt32(97))
			default:
				m.Set(fd, protoreflect.ValueOfInt64(12345))
			}
			visit(name[1:], s)
		}
	}
	descend("", (&surefootv1.Service{}).ProtoReflect().Descriptor(), nil)
}

// A field that the language has and no policy knows would be silence.
func TestEachFieldOfAServiceReachesThePolicy(t *testing.T) {
	_, _, house := policy.House()
	n := 0
	leaves(func(path string, s *surefootv1.Service) {
		n++
		from := house
		if path == "balance.round_robin" {
			from.Balance.Picker = policy.PeakEWMA // it is the default
		}
		if applyChannel(from, s) == from {
			t.Errorf("%s changes nothing: %v", path, s)
		}
	})
	if n < 35 {
		t.Errorf("only %d fields were tried", n)
	}
}

func TestBalancePolicyIsTheOneThatIsChosen(t *testing.T) {
	_, _, house := policy.House()
	for want, b := range map[policy.Picker]*surefootv1.Balance{
		policy.RoundRobin:     {Policy: &surefootv1.Balance_RoundRobin{RoundRobin: &surefootv1.RoundRobin{}}},
		policy.LeastRequest:   {Policy: &surefootv1.Balance_LeastRequest{LeastRequest: &surefootv1.LeastRequest{Choices: new(int32(4))}}},
		policy.PeakEWMA:       {Policy: &surefootv1.Balance_PeakEwma{PeakEwma: &surefootv1.PeakEwma{}}},
		policy.ConsistentHash: {Policy: &surefootv1.Balance_ConsistentHash{ConsistentHash: &surefootv1.ConsistentHash{Header: new("x-shard")}}},
	} {
		got := applyChannel(house, &surefootv1.Service{Balance: b})
		if got.Balance.Picker != want {
			t.Errorf("%v: picker %d, want %d", b, got.Balance.Picker, want)
		}
		if err := got.Validate(); err != nil {
			t.Errorf("%v: %v", b, err)
		}
	}
}

// Clients that hash must agree about the endpoints, so that each uses all.
func TestASubsetBesideConsistentHash(t *testing.T) {
	_, _, house := policy.House()
	for size, want := range map[int32]string{5: "balance.subset.size is 5, but consistent_hash", 0: ""} {
		var p problems
		newChannelMerge(house).add(place{service: "shop.v1.Cart"}, &surefootv1.Service{Balance: &surefootv1.Balance{
			Policy: &surefootv1.Balance_ConsistentHash{ConsistentHash: &surefootv1.ConsistentHash{}},
			Subset: &surefootv1.Subset{Size: &size},
		}}, &p)
		if got := fmt.Sprint(p.list); len(p.list) > 1 || (len(p.list) == 1) != (want != "") || !strings.Contains(got, want) {
			t.Errorf("a subset of %d: %v", size, got)
		}
	}
}
